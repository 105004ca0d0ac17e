"""A figure of a benchmark: what was measured against what, whether it holds, and how it is told.

Every round gives a pair (peer, broker) taken one right after the other. Reported are the medians of each, and of the
rounds' ratios with the least and the largest one: on machines of different speed only the ratio means anything.
"""
import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    family: str
    name: str
    unit: str
    peer: str                 # what the broker is held against; "" where the bound is one on the value itself
    bound: float | None       # of the ratio to the peer, or of the value; None: told, and held against nothing
    at_least: bool = False    # else: at most
    digits: int = 2
    rounds: list = dataclasses.field(default_factory=list)  # (peer, broker) of each

    def add(self, peer, broker):
        self.rounds.append((peer, broker))

    @property
    def peer_value(self):
        return statistics.median(peer for peer, _ in self.rounds) if self.peer else None

    @property
    def value(self):
        return statistics.median(broker for _, broker in self.rounds)

    @property
    def ratios(self):
        return sorted(broker / peer for peer, broker in self.rounds) if self.peer else []

    @property
    def held(self):
        """The number that the bound is for."""
        return statistics.median(self.ratios) if self.peer else self.value

    @property
    def verdict(self):
        if self.bound is None:
            return ""
        return "holds" if (self.held >= self.bound if self.at_least else self.held <= self.bound) else "MISS"

    def row(self):
        """name, peer's value, broker's, ratio, spread, bound, verdict"""
        number = lambda value: "" if value is None else f"{value:.{self.digits}f}"
        spread = self.ratios or sorted(value for _, value in self.rounds)
        bound = "" if self.bound is None else f"{'>=' if self.at_least else '<='} {self.bound:g}{' x' if self.peer else ''}"
        return [f"{self.name}, {self.unit}", number(self.peer_value), number(self.value),
                f"{self.held:.2f}" if self.peer else "", f"{spread[0]:.2f} to {spread[-1]:.2f}", bound, self.verdict]

    def as_json(self):
        return dataclasses.asdict(self) | {"peer_value": self.peer_value, "value": self.value, "held": self.held,
                                           "verdict": self.verdict}


@dataclasses.dataclass
class Table:
    """What a family tells: its figures, how they were taken, and what else is worth knowing."""
    family: str
    title: str
    how: list                 # sentences: what was run, and under which settings
    figures: list
    notes: list = dataclasses.field(default_factory=list)
    text: str = ""            # in place of figures: ready rows of another program

    HEAD = ["figure", "peer", "broker", "ratio", "spread", "bound", ""]

    def plain(self):
        rows = [self.HEAD] + [figure.row() for figure in self.figures]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                           for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
        body = lines if self.figures else []
        return "\n".join([f"== {self.family}: {self.title}", *self.how, *body, *([self.text] if self.text else []),
                          *self.notes])

    def markdown(self, command, machine):
        lines = [f"`{command}`", "", " ".join([*self.how, machine]), ""]
        if self.figures:
            lines += ["| " + " | ".join(self.HEAD) + " |", "|---|" + "---:|" * 4 + "---|---|"]
            lines += ["| " + " | ".join(figure.row()) + " |" for figure in self.figures]
        if self.text:
            lines += ["```", self.text, "```"]
        if self.notes:
            lines += ["", *[f"- {note}" for note in self.notes]]
        return "\n".join(lines)

    def as_json(self):
        return {"family": self.family, "title": self.title, "how": self.how, "notes": self.notes, "text": self.text,
                "figures": [figure.as_json() for figure in self.figures]}

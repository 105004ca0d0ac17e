// Clients in Go against a broker: `interop ADDRESS [NAME]` runs the checks (whose name contains NAME), and
// `interop ADDRESS stream TOPIC COUNT` writes numbers with an idempotent producer. One line a check.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type check struct {
	name string
	run  func(address string) error
}

// sample is one record as every client here writes and reads it.
type sample struct {
	key, value []byte
	headers    [][2]string
	time       time.Time
}

// samples: null and empty keys and values, bytes that are no text, and enough that repeats; 10 ms apart.
func samples(start time.Time) []sample {
	all := []sample{
		{nil, []byte("no key"), nil, start},
		{[]byte("no value"), nil, nil, start.Add(10 * time.Millisecond)},
		{[]byte{}, []byte{}, nil, start.Add(20 * time.Millisecond)},
		{[]byte{0, 255}, []byte{128, 127}, [][2]string{{"a", "1"}, {"a", ""}, {"b", "\xff"}}, start.Add(30 * time.Millisecond)},
	}
	for n := 4; n < 300; n++ {
		all = append(all, sample{[]byte(fmt.Sprint("k", n)), []byte(fmt.Sprint("a value that repeats ", n%7)), nil, start.Add(time.Duration(n) * 10 * time.Millisecond)})
	}
	return all
}

func start() time.Time { return time.Now().Add(-100 * time.Second).Truncate(time.Millisecond) }

// differs says what of a record that was read is not as it was written; nulls and empty bytes differ only if `strict`.
func differs(was, is sample, strict bool) error {
	same := func(a, b []byte) bool { return string(a) == string(b) && (!strict || (a == nil) == (b == nil)) }
	switch {
	case !same(was.key, is.key):
		return fmt.Errorf("key %q became %q", was.key, is.key)
	case !same(was.value, is.value):
		return fmt.Errorf("value %q became %q", was.value, is.value)
	case !was.time.Equal(is.time):
		return fmt.Errorf("time %v became %v", was.time, is.time)
	case fmt.Sprint(was.headers) != fmt.Sprint(is.headers):
		return fmt.Errorf("headers %q became %q", was.headers, is.headers)
	}
	return nil
}

func equal(what string, expected, got any) error {
	if fmt.Sprint(expected) != fmt.Sprint(got) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, got)
	}
	return nil
}

// prompt runs what must fail, and within a few seconds.
func prompt(run func() error) error {
	began := time.Now()
	if err := run(); err == nil {
		return fmt.Errorf("nothing failed")
	} else if took := time.Since(began); took > 10*time.Second {
		return fmt.Errorf("it took %v to say: %w", took, err)
	} else {
		fmt.Println("  told:", err)
	}
	return nil
}

func main() {
	address := os.Args[1]
	if len(os.Args) > 4 && os.Args[2] == "stream" {
		count, _ := strconv.Atoi(os.Args[4])
		if err := stream(address, os.Args[3], count); err != nil {
			fmt.Println("FAILED stream:", err)
			os.Exit(1)
		}
		return
	}
	failed := false
	for _, each := range append(append(franzChecks, saramaChecks...), segmentioChecks...) {
		if len(os.Args) > 2 && !strings.Contains(each.name, os.Args[2]) {
			continue
		}
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			defer func() {
				if problem := recover(); problem != nil {
					done <- fmt.Errorf("panic: %v", problem)
				}
			}()
			done <- each.run(address)
		}()
		var err error
		select {
		case err = <-done:
		case <-time.After(60 * time.Second):
			err = fmt.Errorf("it did not end within 60 s")
		}
		if err != nil {
			failed = true
			fmt.Printf("FAILED %s: %v\n", each.name, err)
		} else {
			fmt.Printf("ok %s (%d ms)\n", each.name, time.Since(began).Milliseconds())
		}
	}
	if failed {
		os.Exit(1)
	}
}

// What a handler of HTTP requests answers with: a short text, or a body that comes in pieces, so that none of any
// length is ever whole in memory. Owner of a reply: the session that sends it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/listener/http_request.h"
#include "protocol/base/bytes.h"
#include "protocol/base/error.h"
#include "protocol/base/unique_function.h"

namespace sluice::broker {

/// A body that is made while it is sent: the next piece is asked for when the client has taken the one before.
class HttpBody {
 public:
  struct Piece {
    std::vector<SharedBytes> bytes;  ///< none: there is more, but not in this piece
    bool last = false;
  };
  virtual ~HttpBody() = default;
  /// Calls `done` once, inside this call only when the piece has bytes or is the last. An error ends the connection,
  /// and the client sees that the body is cut. Not called again before `done`, nor after the last piece. Destruction
  /// means that nobody wants it any more: `done` may then be called or not.
  virtual void next(UniqueFunction<void(Result<Piece>)> done) = 0;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string text;                ///< with no `body`
  std::unique_ptr<HttpBody> body;  ///< in place of `text`
};

/// Answers a GET; `done` is called once, inside the call or later.
using HttpHandler = UniqueFunction<void(const HttpRequest&, UniqueFunction<void(HttpReply)> done)>;

/// A status with its reason and a sentence as the text.
HttpReply http_error(int status, std::string_view sentence);
std::string_view http_reason(int status);

}  // namespace sluice::broker

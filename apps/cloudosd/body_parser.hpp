#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace cloudosd {

/// Takes a request's body out of its framing (Content-Length or chunked). No sockets: bytes in,
/// bytes out. Wraps Boost.Beast's parser, which also reads the head once more: what our own check
/// and Beast understand differently is refused. One thread at a time.
class BodyParser {
 public:
  BodyParser();
  ~BodyParser();

  /// Begins with a head that parse_head() took. False: Beast does not understand it.
  bool begin(std::string_view head);

  enum class State { More, Done, Bad };
  struct Step {
    State state;
    std::size_t consumed;  ///< Of `in`; what is behind a Done body belongs to the next request.
    std::size_t produced;  ///< Into `out`.
  };
  /// Moves on as far as `in` and `out` go. More with nothing consumed: it needs more of `in` at
  /// once than it was given.
  Step feed(std::string_view in, std::span<char> out);
  bool done() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudosd

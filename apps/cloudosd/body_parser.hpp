#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cloudosd/head.hpp"

namespace cloudosd {

/// Takes a request's body out of its framing (Content-Length or chunked). No sockets, no copies:
/// bytes in, views of them out. One thread at a time.
///
/// Strict where leniency lets two readers see different requests: lines end in CR LF, a size is 1 to
/// 15 hexadecimal digits with nothing before it and at most an extension behind it, trailer fields
/// are well formed. Extensions and trailers are read over. Source: RFC 9112, section 7.1.
class BodyParser {
 public:
  /// Begins with a head that parse_head() took.
  void begin(const Head& head);

  enum class State : std::uint8_t { More, Done, Bad };
  struct Step {
    State state = State::More;
    std::size_t consumed = 0;  ///< Of `in`; what is behind a Done body belongs to the next request.
    std::string_view piece;    ///< Of `in`, and of the body.
  };
  /// One step: at most one piece. More with nothing consumed: it needs more of `in` at once.
  Step feed(std::string_view in);
  bool done() const { return part_ == Part::Done; }

 private:
  enum class Part : std::uint8_t { Done, Bad, Length, Size, Data, DataEnd, Trailer };
  Step step_size(std::string_view in);
  Step step_data(std::string_view in, Part next);
  Step step_trailer(std::string_view in);
  Step bad();

  Part part_ = Part::Done;
  std::uint64_t left_ = 0;          // Of the body, or of the chunk.
  std::size_t trailer_bytes_ = 0;
};

}  // namespace cloudosd

#include "cloudosd/body_parser.hpp"

#include <algorithm>

#include "cloudos/limits.hpp"

namespace cloudosd {
namespace {

namespace limits = cloudos::limits;

constexpr std::size_t kSizeDigits = 15;
constexpr std::size_t kChunkLineBytes = 256;  // A size with its extension.
constexpr std::size_t kTrailerLineBytes = 4 << 10;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// A line without its CR LF, or why there is none yet.
enum class Line : std::uint8_t { Whole, Cut, Bad };
Line first_line(std::string_view in, std::size_t most, std::string_view& line) {
  const auto end = in.substr(0, most).find_first_of("\r\n");
  if (end == in.npos) return in.size() < most ? Line::Cut : Line::Bad;
  if (in[end] == '\n') return Line::Bad;
  if (end + 1 == in.size()) return Line::Cut;
  if (in[end + 1] != '\n') return Line::Bad;
  line = in.substr(0, end);
  return Line::Whole;
}

bool is_extension(std::string_view text) {
  return text.empty() ||
         (text[0] == ';' && std::all_of(text.begin(), text.end(), [](char c) {
            return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
          }));
}

}  // namespace

void BodyParser::begin(const Head& head) {
  left_ = head.content_length.value_or(0);
  trailer_bytes_ = 0;
  part_ = head.chunked ? Part::Size : left_ > 0 ? Part::Length : Part::Done;
}

BodyParser::Step BodyParser::feed(std::string_view in) {
  switch (part_) {
    case Part::Done:
      return {State::Done, 0, {}};
    case Part::Bad:
      return {State::Bad, 0, {}};
    case Part::Length:
      return step_data(in, Part::Done);
    case Part::Size:
      return step_size(in);
    case Part::Data:
      return step_data(in, Part::DataEnd);
    case Part::DataEnd:
      if (in.size() < 2 && std::string_view("\r\n").substr(0, in.size()) == in) return {};
      if (in.substr(0, 2) != "\r\n") return bad();
      part_ = Part::Size;
      return {State::More, 2, {}};
    case Part::Trailer:
      return step_trailer(in);
  }
  return bad();
}

BodyParser::Step BodyParser::bad() {
  part_ = Part::Bad;
  return {State::Bad, 0, {}};
}

BodyParser::Step BodyParser::step_size(std::string_view in) {
  std::string_view line;
  switch (first_line(in, kChunkLineBytes, line)) {
    case Line::Cut:
      // What cannot become a size is not waited for.
      return in.empty() || hex_digit(in[0]) >= 0 ? Step{} : bad();
    case Line::Bad:
      return bad();
    case Line::Whole:
      break;
  }
  std::size_t digits = 0;
  left_ = 0;
  for (; digits < line.size() && hex_digit(line[digits]) >= 0; ++digits)
    left_ = left_ * 16 + static_cast<std::uint64_t>(hex_digit(line[digits]));
  if (digits == 0 || digits > kSizeDigits || !is_extension(line.substr(digits))) return bad();
  part_ = left_ > 0 ? Part::Data : Part::Trailer;
  return {State::More, line.size() + 2, {}};
}

BodyParser::Step BodyParser::step_data(std::string_view in, Part next) {
  const std::string_view piece = in.substr(0, static_cast<std::size_t>(
                                                  std::min<std::uint64_t>(left_, in.size())));
  left_ -= piece.size();
  if (left_ == 0) part_ = next;
  return {part_ == Part::Done ? State::Done : State::More, piece.size(), piece};
}

BodyParser::Step BodyParser::step_trailer(std::string_view in) {
  std::string_view line;
  switch (first_line(in, kTrailerLineBytes, line)) {
    case Line::Cut:
      return {};
    case Line::Bad:
      return bad();
    case Line::Whole:
      break;
  }
  trailer_bytes_ += line.size() + 2;
  if (trailer_bytes_ > limits::kHeaderBytes || (!line.empty() && !is_field_line(line)))
    return bad();
  if (line.empty()) part_ = Part::Done;
  return {line.empty() ? State::Done : State::More, line.size() + 2, {}};
}

}  // namespace cloudosd

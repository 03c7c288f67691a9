#pragma once
#include <string_view>

namespace cloudos::rest {

/// Reads JSON from front to back, in place: objects, lists, and texts that stand there as they are.
/// Whatever else comes (escapes, bytes that are not ASCII, numbers, anything malformed) stops it,
/// for good: whoever reads then turns to parse_json(), which knows it all.
///
///   PlainJson in(body);
///   in.open();
///   for (std::string_view name; in.member(name);)
///     if (name == "id") id = in.text(); else in.stop();
///   if (!in.ended()) return std::nullopt;
class PlainJson {
 public:
  explicit PlainJson(std::string_view text) : rest_(text) {}

  /// {
  void open() { begin('{'); }
  /// The name of the next member, whose value is to be read; false: that was the last one.
  bool member(std::string_view& name) {
    if (!next('}')) return false;
    name = text();
    expect(':');
    return !stopped_;
  }
  /// [
  void open_list() { begin('['); }
  /// Is there another element, which is to be read?
  bool element() { return next(']'); }
  /// A text, which lives as long as what is read.
  std::string_view text() {
    expect('"');
    std::size_t size = 0;
    while (size < rest_.size() && is_plain(rest_[size])) ++size;
    const std::string_view found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (rest_.empty() || rest_.front() != '"') stop();
    else rest_.remove_prefix(1);
    first_ = false;
    return stopped_ ? std::string_view() : found;
  }
  /// Does a text come next?
  bool at_text() {
    skip_blanks();
    return !rest_.empty() && rest_.front() == '"';
  }
  void stop() { stopped_ = true; }
  /// Everything was read, and was plain.
  bool ended() {
    skip_blanks();
    return !stopped_ && rest_.empty();
  }

 private:
  static bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' ||
                              rest_.front() == '\r' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }
  void expect(char c) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != c) return stop();
    rest_.remove_prefix(1);
  }
  void begin(char c) {
    expect(c);
    first_ = true;
  }
  bool next(char end) {
    skip_blanks();
    if (stopped_) return false;
    if (!rest_.empty() && rest_.front() == end) {
      rest_.remove_prefix(1);
      first_ = false;
      return false;
    }
    if (!first_) expect(',');
    first_ = false;
    return !stopped_;
  }

  std::string_view rest_;
  bool first_ = false;  // Behind a bracket that opened.
  bool stopped_ = false;
};

}  // namespace cloudos::rest

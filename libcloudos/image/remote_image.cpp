#include "image/remote_image.hpp"

#include "base/text.hpp"

// Source: RFC 8259; of an image's members the texts and its size matter here.
namespace cloudos::image {
namespace {

constexpr int kRemoteDepth = 16;

Failure no_json() {
  return fail(ErrorCode::Unavailable, "the other image service does not answer with an image");
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6);
    byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3f));
    byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

bool is_json_number(std::string_view text) {
  const auto digits = [&text] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count != 0;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero_first = text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
  if (zero_first || !digits()) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!digits()) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (!digits()) return false;
  }
  return text.empty();
}

class RemoteJson {
 public:
  explicit RemoteJson(std::string_view text) : rest_(text) {}

  void blanks() {
    const std::size_t at = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(std::min(at, rest_.size()));
  }
  bool take(char c) {
    blanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at(char c) {
    blanks();
    return !rest_.empty() && rest_.front() == c;
  }
  bool done() {
    blanks();
    return rest_.empty();
  }

  Result<std::string> text() {
    if (!take('"')) return no_json();
    std::string out;
    while (!rest_.empty()) {
      const char c = next();
      if (c == '"') {
        if (!utf8_length(out)) return no_json();
        return out;
      }
      if (static_cast<unsigned char>(c) < 0x20) return no_json();
      if (c != '\\')
        out += c;
      else
        CLOUDOS_CHECK(escape(out));
    }
    return no_json();
  }

  /// A number, true, false or null, as it is written.
  Result<std::string_view> word() {
    blanks();
    const std::size_t length = std::min(rest_.find_first_of(",]} \t\r\n"), rest_.size());
    const std::string_view found = rest_.substr(0, length);
    if (!is_json_number(found) && found != "true" && found != "false" && found != "null") return no_json();
    rest_.remove_prefix(length);
    return found;
  }

  /// Reads over a value of any kind.
  Result<void> skip(int depth = 0) {
    if (depth > kRemoteDepth) return no_json();
    if (at('"')) {
      CLOUDOS_CHECK(text());
      return Result<void>();
    }
    const bool object = at('{');
    if (!object && !at('[')) {
      CLOUDOS_CHECK(word());
      return Result<void>();
    }
    const char end = object ? '}' : ']';
    next();
    if (take(end)) return Result<void>();
    do {
      if (object) {
        CLOUDOS_CHECK(text());
        if (!take(':')) return no_json();
      }
      CLOUDOS_CHECK(skip(depth + 1));
    } while (take(','));
    if (!take(end)) return no_json();
    return Result<void>();
  }

 private:
  char next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  Result<std::uint32_t> four_digits() {
    if (rest_.size() < 4) return no_json();
    const auto bytes = from_hex(rest_.substr(0, 4));
    if (!bytes || bytes->size() != 2) return no_json();
    rest_.remove_prefix(4);
    return static_cast<std::uint32_t>(static_cast<unsigned char>((*bytes)[0])) << 8 |
           static_cast<unsigned char>((*bytes)[1]);
  }
  Result<void> escape(std::string& out) {
    if (rest_.empty()) return no_json();
    const char c = next();
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = kFrom.find(c); at != std::string_view::npos) {
      out += kTo[at];
      return Result<void>();
    }
    if (c != 'u') return no_json();
    CLOUDOS_TRY(std::uint32_t code, four_digits());
    if (code >= 0xd800 && code < 0xdc00) {
      if (!rest_.starts_with("\\u")) return no_json();
      rest_.remove_prefix(2);
      CLOUDOS_TRY(const std::uint32_t low, four_digits());
      if (low < 0xdc00 || low > 0xdfff) return no_json();
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      return no_json();
    }
    append_utf8(out, code);
    return Result<void>();
  }

  std::string_view rest_;
};

std::string text_or_none(const std::map<std::string, std::string>& texts, const char* name) {
  const auto found = texts.find(name);
  return found == texts.end() ? std::string() : found->second;
}

}  // namespace

std::map<std::string, std::string> RemoteImage::properties(
    const std::vector<std::string>& prefixes) const {
  std::map<std::string, std::string> chosen;
  for (const auto& text : texts) {
    const std::string& name = text.first;
    // A signature is for whoever looked at the bytes to state.
    const bool kept = name.starts_with("os_glance") || name.starts_with("os_hash_") ||
                      name.starts_with("img_signature");
    const bool wanted = std::any_of(
        prefixes.begin(), prefixes.end(),
        [&](const std::string& prefix) { return !prefix.empty() && name.starts_with(prefix); });
    if (wanted && !kept) chosen.insert(text);
  }
  return chosen;
}

Result<RemoteImage> read_remote_image(std::string_view json) {
  RemoteJson in(json);
  RemoteImage image;
  if (!in.take('{')) return no_json();
  if (!in.take('}')) {
    do {
      CLOUDOS_TRY(std::string name, in.text());
      if (!in.take(':')) return no_json();
      if (in.at('"')) {
        CLOUDOS_TRY(std::string value, in.text());
        image.texts.insert_or_assign(std::move(name), std::move(value));
      } else if (name == "size") {
        if (in.at('{') || in.at('[')) return no_json();
        CLOUDOS_TRY(const std::string_view word, in.word());
        image.size_bytes = parse_unsigned(word);
      } else {
        CLOUDOS_CHECK(in.skip());
      }
    } while (in.take(','));
    if (!in.take('}')) return no_json();
  }
  if (!in.done()) return no_json();
  image.status = text_or_none(image.texts, "status");
  image.disk_format = text_or_none(image.texts, "disk_format");
  image.container_format = text_or_none(image.texts, "container_format");
  if (equals_ignore_case(text_or_none(image.texts, "os_hash_algo"), "sha512"))
    image.sha512 = text_or_none(image.texts, "os_hash_value");
  return image;
}

}  // namespace cloudos::image

#include "clouds_yaml.hpp"

#include <fmt/format.h>
#include <yaml.h>

#include <memory>
#include <optional>

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr std::size_t kFileBytes = 1 << 20;
constexpr int kDepth = 16;

struct EventEnd {
  void operator()(yaml_event_t* event) const {
    yaml_event_delete(event);
    delete event;
  }
};
using Event = std::unique_ptr<yaml_event_t, EventEnd>;

/// Walks the events of one document and keeps scalars by their dotted path.
class CloudsReader {
 public:
  explicit CloudsReader(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~CloudsReader() { yaml_parser_delete(&parser_); }
  CloudsReader(const CloudsReader&) = delete;
  CloudsReader& operator=(const CloudsReader&) = delete;

  Result<Clouds> read() {
    while (true) {
      CLOUDOS_TRY(const Event event, next());
      if (event->type == YAML_STREAM_END_EVENT) return std::move(clouds_);
      if (event->type == YAML_MAPPING_START_EVENT) CLOUDOS_CHECK(mapping("", 0));
    }
  }

 private:
  Result<Event> next() {
    Event event(new yaml_event_t{});
    if (!yaml_parser_parse(&parser_, event.get()))
      return wrong(parser_.problem_mark.line, parser_.problem ? parser_.problem : "not YAML");
    if (event->type == YAML_ALIAS_EVENT)
      return wrong(event->start_mark.line, "aliases are not read");
    return event;
  }

  cloudos::Failure wrong(std::size_t line, std::string_view why) const {
    return fail(ErrorCode::InvalidArgument, fmt::format("line {}: {}", line + 1, why));
  }

  Result<void> mapping(const std::string& path, int depth) {
    if (depth > kDepth) return fail(ErrorCode::TooLarge, "it is nested too deep");
    while (true) {
      CLOUDOS_TRY(const Event key, next());
      if (key->type == YAML_MAPPING_END_EVENT) return Result<void>();
      if (key->type != YAML_SCALAR_EVENT)
        return wrong(key->start_mark.line, "a name is expected here");
      const std::string name = text_of(*key);
      CLOUDOS_CHECK(value(path.empty() ? name : path + "\n" + name, depth + 1));
    }
  }

  Result<void> value(const std::string& path, int depth) {
    CLOUDOS_TRY(const Event event, next());
    switch (event->type) {
      case YAML_SCALAR_EVENT:
        keep(path, text_of(*event));
        return Result<void>();
      case YAML_MAPPING_START_EVENT:
        keep(path, std::nullopt);
        return mapping(path, depth);
      case YAML_SEQUENCE_START_EVENT:
        return skip_sequence(depth);
      default:
        return wrong(event->start_mark.line, "a value is expected here");
    }
  }

  Result<void> skip_sequence(int depth) {
    for (int open = 1; open > 0;) {
      CLOUDOS_TRY(const Event event, next());
      if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        ++open;
      if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT) --open;
      if (open + depth > kDepth) return fail(ErrorCode::TooLarge, "it is nested too deep");
    }
    return Result<void>();
  }

  /// "clouds", name and the rest are apart by newlines, which no name of ours has.
  void keep(const std::string& path, std::optional<std::string> text) {
    static constexpr std::string_view kRoot = "clouds\n";
    if (path.substr(0, kRoot.size()) != kRoot) return;
    const std::string rest = path.substr(kRoot.size());
    const auto end = rest.find('\n');
    auto& cloud = clouds_[rest.substr(0, end)];
    if (end == rest.npos || !text) return;
    std::string key = rest.substr(end + 1);
    for (char& c : key)
      if (c == '\n') c = '.';
    cloud[key] = std::move(*text);
  }

  static std::string text_of(const yaml_event_t& event) {
    return std::string(reinterpret_cast<const char*>(event.data.scalar.value),
                       event.data.scalar.length);
  }

  yaml_parser_t parser_{};
  Clouds clouds_;
};

}  // namespace

Result<Clouds> parse_clouds(std::string_view text) {
  if (text.size() > kFileBytes) return fail(ErrorCode::TooLarge, "it is larger than 1 MiB");
  return CloudsReader(text).read();
}

}  // namespace cli

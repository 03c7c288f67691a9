#include "body.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/text.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

Result<std::string> file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || (in.peek() != std::ifstream::traits_type::eof() && !(text << in.rdbuf())))
    return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", path));
  return text.str();
}

Result<std::pair<std::string, std::string>> key_and_value(const std::string& text,
                                                          std::string_view flag) {
  const auto mark = text.find('=');
  if (mark == text.npos || mark == 0)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} needs KEY=VALUE, not '{}'.", flag, text));
  return std::pair(text.substr(0, mark), text.substr(mark + 1));
}

/// "subnet" in "subnet:subnet_id ip-address:ip_address" is subnet_id; others stay as they are.
std::string renamed_key(std::string_view table, const std::string& key) {
  for (const std::string_view entry : cloudos::split(table, ' ')) {
    const auto colon = entry.find(':');
    if (colon != entry.npos && entry.substr(0, colon) == key)
      return std::string(entry.substr(colon + 1));
  }
  return key;
}

class BodyBuilder {
 public:
  BodyBuilder(Session& session, json& body) : session_(session), body_(body) {}

  Result<void> put(const OptionSpec& option, const std::string& text) {
    json& field = body_;
    const std::string name(option.field);
    switch (option.kind) {
      case Kind::Text:
        field[name] = text;
        break;
      case Kind::TextOrNone:
        field[name] = text == "none" ? json(nullptr) : json(text);
        break;
      case Kind::Constant:
        field[name] = json::parse(option.extra);
        break;
      case Kind::TextList:
        field[name].push_back(text);
        break;
      case Kind::Integer:
        return put_integer(option, text);
      case Kind::Reference: {
        CLOUDOS_TRY(field[name], id_of(option, text));
        break;
      }
      case Kind::ReferenceList: {
        CLOUDOS_TRY(std::string id, id_of(option, text));
        field[name].push_back(std::move(id));
        break;
      }
      case Kind::ObjectList: {
        std::string value = text;
        if (!option.noun.empty()) {
          CLOUDOS_TRY(value, id_of(option, text));
        }
        field[name].push_back({{std::string(option.extra), value}});
        break;
      }
      case Kind::Members:
      case Kind::Map: {
        CLOUDOS_TRY(const auto pair, key_and_value(text, option.flag));
        (option.kind == Kind::Map ? field[name] : field)[pair.first] = pair.second;
        break;
      }
      case Kind::PairList:
        return put_pairs(option, text);
      case Kind::PortRange: {
        CLOUDOS_TRY(const auto range, parse_port_range(text));
        field["port_range_min"] = range.first;
        field["port_range_max"] = range.second;
        break;
      }
      case Kind::FileText: {
        CLOUDOS_TRY(const std::string content, file_text(text));
        field[name] = std::string(cloudos::trim(content));
        break;
      }
      case Kind::FileBase64: {
        CLOUDOS_TRY(const std::string content, file_text(text));
        field[name] = cloudos::to_base64(content);
        break;
      }
      case Kind::FileUpload:
        break;
    }
    return Result<void>();
  }

 private:
  Result<std::string> id_of(const OptionSpec& option, const std::string& text) {
    const Noun& noun = noun_of(option.noun);
    CLOUDOS_TRY(const json thing, session_.find(noun, text));
    return thing.value(std::string(noun.key), "");
  }

  Result<void> put_integer(const OptionSpec& option, const std::string& text) {
    const auto number = cloudos::parse_signed(text);
    if (!number)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} needs a number, not '{}'.", option.flag, text));
    body_[std::string(option.field)] = *number;
    return Result<void>();
  }

  Result<void> put_pairs(const OptionSpec& option, const std::string& text) {
    CLOUDOS_TRY(const auto pairs, parse_pairs(text, std::string(option.flag)));
    json object = json::object();
    for (const auto& [key, given] : pairs) {
      std::string value = given;
      if (!option.noun.empty() && key == option.noun) {
        CLOUDOS_TRY(value, id_of(option, given));
      }
      object[renamed_key(option.extra, key)] = value;
    }
    body_[std::string(option.field)].push_back(std::move(object));
    return Result<void>();
  }

  Session& session_;
  json& body_;
};

/// What the service asks for and a person need not say.
void add_defaults(const Noun& noun, json& body) {
  if (noun.words == "image") {
    if (!body.contains("disk_format")) body["disk_format"] = "raw";
    if (!body.contains("container_format")) body["container_format"] = "bare";
  }
  if (noun.words == "subnet" && !body.contains("ip_version"))
    body["ip_version"] = body.value("cidr", "").find(':') == std::string::npos ? 4 : 6;
  if (noun.words == "security group rule" && !body.contains("direction"))
    body["direction"] = "ingress";
}

}  // namespace

Result<std::pair<int, int>> parse_port_range(const std::string& text) {
  const auto colon = text.find(':');
  const auto first = cloudos::parse_unsigned(std::string_view(text).substr(0, colon));
  const auto last = colon == text.npos
                        ? first
                        : cloudos::parse_unsigned(std::string_view(text).substr(colon + 1));
  if (!first || !last || *first > *last || *last > 65'535)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is not a port (22) nor a range of ports (80:443).", text));
  return std::pair(static_cast<int>(*first), static_cast<int>(*last));
}

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(const std::string& text,
                                                                     const std::string& flag) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string_view part : cloudos::split(text, ',')) {
    CLOUDOS_TRY(auto pair, key_and_value(std::string(part), flag));
    out.push_back(std::move(pair));
  }
  return out;
}

Result<json> create_body(Session& session, const Noun& noun, const std::string& subject,
                         const Given& given) {
  json body = json::object();
  if (noun.subject_noun.empty()) {
    body[std::string(noun.subject_field)] = subject;
  } else {
    CLOUDOS_TRY(const json thing, session.find(noun_of(noun.subject_noun), subject));
    body[std::string(noun.subject_field)] = thing.value("id", "");
  }
  BodyBuilder builder(session, body);
  for (const OptionSpec& option : noun.options) {
    const auto it = given.find(std::string(option.flag));
    if (it == given.end()) continue;
    for (const std::string& text : it->second) CLOUDOS_CHECK(builder.put(option, text));
  }
  add_defaults(noun, body);
  if (noun.single.empty()) return body;
  return json{{std::string(noun.single), std::move(body)}};
}

}  // namespace cli

#include "values.hpp"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/text.hpp"
#include "tree.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;
using verbs::Kind;
using verbs::Merge;
using verbs::Parameter;

Result<std::string> file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || (in.peek() != std::ifstream::traits_type::eof() && !(text << in.rdbuf())))
    return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", path));
  return text.str();
}

/// "-" is asked for, without showing what is typed where that is a terminal.
Result<std::string> secret_text(const Parameter& parameter, const std::string& text) {
  if (text != "-" && parameter.kind != Kind::Prompt) return text;
  termios before{};
  const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) {
    fmt::print(stderr, "{}: ", parameter.name);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  const bool read = static_cast<bool>(std::getline(std::cin, line));
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
  }
  if (!read || line.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} - was given nothing.", parameter.flag));
  return line;
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

/// JSON, or the path of a file with it.
Result<json> json_value(const std::string& text, std::string_view flag) {
  json value = json::parse(text, nullptr, false);
  if (!value.is_discarded()) return value;
  auto content = file_text(text);
  if (content) value = json::parse(*content, nullptr, false);
  if (!content || value.is_discarded())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} needs JSON, or a file with it, not '{}'.", flag, text));
  return value;
}

/// Every member of the part is one of the whole.
bool covers(const json& whole, const json& part) {
  if (!whole.is_object() || !part.is_object()) return whole == part;
  for (const auto& [name, value] : part.items())
    if (!whole.contains(name) || whole[name] != value) return false;
  return true;
}

class ParameterBuilder {
 public:
  ParameterBuilder(Session& session, const verbs::Command& command)
      : session_(session), command_(command) {}

  Result<json> build(const Given& given) {
    given_ = &given;
    // Constants first: "--no-fixed-ip --fixed-ip x" takes all away, then adds.
    for (const bool constants : {true, false}) {
      for (const Parameter& parameter : command_.parameters) {
        if ((parameter.kind == Kind::Constant) != constants) continue;
        if (parameter.kind == Kind::Fixed)
          out_[std::string(parameter.name)] = json::parse(parameter.extra);
        const auto texts = given.find(place_name(parameter.flag));
        if (parameter.flag.empty()) continue;
        if (texts == given.end()) {
          CLOUDOS_CHECK(put_default(parameter));
          continue;
        }
        for (const std::string& text : texts->second) CLOUDOS_CHECK(put(parameter, text));
      }
    }
    for (const Parameter& parameter : command_.parameters)
      if (parameter.merge != Merge::Replace) CLOUDOS_CHECK(merge(parameter));
    return std::move(out_);
  }

 private:
  /// The list that texts of this parameter go to.
  json& list(const Parameter& parameter) {
    json& place = parameter.merge == Merge::Replace ? out_ : changes_[index(parameter.merge)];
    const auto slash = parameter.name.find('/');
    json& member = slash == parameter.name.npos
                       ? place[std::string(parameter.name)]
                       : place[std::string(parameter.name.substr(0, slash))]
                              [std::string(parameter.name.substr(slash + 1))];
    if (member.is_null()) member = json::array();
    return member;
  }
  static std::size_t index(Merge merge) { return merge == Merge::Append ? 0 : 1; }

  Result<void> put_default(const Parameter& parameter) {
    if (parameter.kind != Kind::Reference || parameter.extra.empty()) return Result<void>();
    return put_mine(parameter);
  }

  /// The id of what the login is for, or of who logged in.
  Result<void> put_mine(const Parameter& parameter) {
    CLOUDOS_TRY(const json login, session_.transport().login());
    const auto mine = login.find(std::string(parameter.extra));
    if (mine == login.end())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("The login has no {}: name one.", parameter.extra));
    out_[std::string(parameter.name)] = text_member(*mine, "id");
    return Result<void>();
  }

  Result<void> put(const Parameter& parameter, const std::string& text) {
    const std::string name(parameter.name);
    switch (parameter.kind) {
      case Kind::Text:
      case Kind::Flag:
      case Kind::File:
        if (!name.empty()) put_text(name, text);
        break;
      case Kind::Secret:
      case Kind::Prompt: {
        CLOUDOS_TRY(out_[name], secret_text(parameter, text));
        break;
      }
      case Kind::Mine:
        return put_mine(parameter);
      case Kind::Json: {
        CLOUDOS_TRY(out_[name], json_value(text, parameter.flag));
        break;
      }
      case Kind::Fixed:
      case Kind::Made:
        break;  // Nobody types these.
      case Kind::TextOrNone:
        out_[name] = text == "none" ? json(nullptr) : json(text);
        break;
      case Kind::Constant:
        if (!name.empty()) put_constant(name, json::parse(parameter.extra));
        break;
      case Kind::CommaLists: {
        json lists = json::array();
        for (const std::string_view one : cloudos::split(text, ',')) lists.push_back(one);
        out_[name][std::string(parameter.extra)].push_back(std::move(lists));
        break;
      }
      case Kind::TextList:
        list(parameter).push_back(text);
        break;
      case Kind::Integer:
        return put_integer(parameter, text);
      case Kind::Reference: {
        CLOUDOS_TRY(out_[name], key_of(parameter, text));
        break;
      }
      case Kind::ReferenceIn: {
        CLOUDOS_TRY(out_[name][std::string(parameter.extra)], key_of(parameter, text));
        break;
      }
      case Kind::ReferenceList: {
        CLOUDOS_TRY(std::string key, key_of(parameter, text));
        list(parameter).push_back(std::move(key));
        break;
      }
      case Kind::ObjectList:
        return put_object(parameter, text);
      case Kind::Members:
      case Kind::Map:
        return put_member(parameter, text);
      case Kind::PairList:
        return put_pairs(parameter, text);
      case Kind::PortRange:
        return put_port_range(text);
      case Kind::FileText:
      case Kind::FileBase64:
        return put_content(parameter, text);
    }
    return Result<void>();
  }

  Result<void> put_port_range(const std::string& text) {
    CLOUDOS_TRY(const auto range, parse_port_range(text));
    out_["port_range_min"] = range.first;
    out_["port_range_max"] = range.second;
    return Result<void>();
  }

  Result<void> put_content(const Parameter& parameter, const std::string& file) {
    CLOUDOS_TRY(const std::string content, file_text(file));
    out_[std::string(parameter.name)] = parameter.kind == Kind::FileText
                                            ? std::string(cloudos::trim(content))
                                            : cloudos::to_base64(content);
    return Result<void>();
  }

  /// Switches that set members of one object are set together.
  void put_constant(const std::string& name, json value) {
    json& member = out_[name];
    if (value.is_object() && member.is_object()) member.update(value);
    else member = std::move(value);
  }

  /// A filter given twice asks for both.
  void put_text(const std::string& name, const std::string& text) {
    json& member = out_[name];
    if (member.is_null() || !verbs::makes_query(*command_.verb))
      member = text;
    else if (member.is_array())
      member.push_back(text);
    else
      member = json::array({member, text});
  }

  Result<std::string> key_of(const Parameter& parameter, const std::string& text) {
    const verbs::Noun* noun = verbs::find_noun(parameter.noun);
    if (!noun) return fail(ErrorCode::Internal, "a parameter refers to no noun");
    CLOUDOS_TRY(const std::string domain, domain_of(parameter));
    return session_.key_of(*noun, text, domain);
  }

  /// The id of the domain that a name is said to be in; empty: none is.
  Result<std::string> domain_of(const Parameter& parameter) {
    const std::string_view flag = domain_flag(command_, parameter);
    const std::string wanted = flag.empty() ? std::string() : value_of(*given_, flag);
    const verbs::Noun* const domains = verbs::find_noun("domains");
    if (wanted.empty() || !domains) return std::string();
    auto id = session_.key_of(*domains, wanted);
    // Who may not look at domains gives the id.
    if (!id && id.error().code == ErrorCode::Forbidden) return wanted;
    return id;
  }

  Result<void> put_integer(const Parameter& parameter, const std::string& text) {
    const auto number = cloudos::parse_signed(text);
    if (!number)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} needs a number, not '{}'.", parameter.flag, text));
    out_[std::string(parameter.name)] = *number;
    return Result<void>();
  }

  Result<void> put_object(const Parameter& parameter, const std::string& text) {
    std::string value = text;
    if (!parameter.noun.empty()) {
      CLOUDOS_TRY(value, key_of(parameter, text));
    }
    list(parameter).push_back({{std::string(parameter.extra), value}});
    return Result<void>();
  }

  Result<void> put_member(const Parameter& parameter, const std::string& text) {
    json& place = parameter.kind == Kind::Map ? out_[std::string(parameter.name)] : out_;
    if (parameter.merge == Merge::Remove) {
      place[text] = nullptr;
      return Result<void>();
    }
    CLOUDOS_TRY(const auto pair, key_and_value(text, parameter.flag));
    place[pair.first] = pair.second;
    return Result<void>();
  }

  Result<void> put_pairs(const Parameter& parameter, const std::string& text) {
    CLOUDOS_TRY(const auto pairs, parse_pairs(text, std::string(parameter.flag)));
    json object = json::object();
    for (const auto& [key, given] : pairs) {
      std::string value = given;
      // The noun's word as key: "subnet=NAME".
      const verbs::Noun* noun = verbs::find_noun(parameter.noun);
      if (noun && key == noun->words) {
        CLOUDOS_TRY(value, session_.key_of(*noun, given));
      }
      object[renamed_key(parameter.extra, key)] = value;
    }
    list(parameter).push_back(std::move(object));
    return Result<void>();
  }

  /// What is there, with what is added or without what is taken away.
  Result<void> merge(const Parameter& parameter) {
    const std::string name(parameter.name);
    json& changes = changes_[index(parameter.merge)];
    const auto change = changes.find(name);
    if (change == changes.end()) return Result<void>();
    if (!out_.contains(name)) {
      CLOUDOS_TRY(const json now, current());
      out_[name] = now.contains(name) ? now[name] : json::array();
    }
    json& whole = out_[name];
    if (parameter.merge == Merge::Append) {
      for (const json& each : *change)
        if (std::find(whole.begin(), whole.end(), each) == whole.end()) whole.push_back(each);
    } else {
      json kept = json::array();
      for (const json& each : whole) {
        const bool gone = std::any_of(change->begin(), change->end(),
                                      [&](const json& part) { return covers(each, part); });
        if (!gone) kept.push_back(each);
      }
      if (kept.size() == whole.size())
        return fail(ErrorCode::NotFound,
                    fmt::format("{} names nothing that is there.", parameter.flag));
      whole = std::move(kept);
    }
    changes.erase(change);
    return Result<void>();
  }

  Result<json> current() {
    const verbs::Noun& noun = verbs::noun_of(*command_.verb);
    return session_.perform(std::string(noun.name) + ".show", {{"id", text_member(out_, "id")}});
  }

  Session& session_;
  const verbs::Command& command_;
  const Given* given_ = nullptr;
  json out_ = json::object();
  json changes_[2] = {json::object(), json::object()};  // To append, to remove.
};

/// What the service asks for and a person need not say.
void add_defaults(const verbs::Verb& verb, json& out) {
  if (verb.name == "images.create") {
    if (!out.contains("disk_format")) out["disk_format"] = "raw";
    if (!out.contains("container_format")) out["container_format"] = "bare";
  }
  if (verb.name == "subnets.create" && !out.contains("ip_version"))
    out["ip_version"] = text_member(out, "cidr").find(':') == std::string::npos ? 4 : 6;
  if (verb.name == "security_group_rules.create" && !out.contains("direction"))
    out["direction"] = "ingress";
  if (verb.name == "servers.reboot" && !out.contains("type")) out["type"] = "SOFT";
}

/// A name that is looked for among one user's things; what is none is an id.
Result<void> name_to_id(Session& session, const verbs::Verb& verb, json& out) {
  const verbs::Noun& noun = verbs::noun_of(verb);
  if (noun.name != "application_credentials" || !out.contains("id")) return Result<void>();
  const verbs::Verb* const all = verbs::find("application_credentials.list");
  if (!all) return Result<void>();
  CLOUDOS_TRY(const auto named,
              session.list(*all, {{"user_id", out["user_id"]}, {"name", out["id"]}}));
  if (named.size() == 1) out["id"] = text_member(named[0], "id");
  return Result<void>();
}

}  // namespace

Result<json> parameters_of(Session& session, const verbs::Command& command, const Given& given) {
  CLOUDOS_TRY(json out, ParameterBuilder(session, command).build(given));
  add_defaults(*command.verb, out);
  CLOUDOS_CHECK(name_to_id(session, *command.verb, out));
  return out;
}

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

}  // namespace cli

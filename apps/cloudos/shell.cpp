#include "shell.hpp"

#include <fmt/format.h>

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

constexpr std::size_t kNames = 200;  // More than anyone reads in a list of completions.

/// A JSON object, or NAME=VALUE words; values that are JSON count as it.
Result<json> call_parameters(const Given& given) {
  json parameters = json::object();
  const auto it = given.find("PARAMETERS");
  if (it == given.end()) return parameters;
  for (const std::string& word : it->second) {
    if (word.starts_with("{")) {
      json object = json::parse(word, nullptr, false);
      if (!object.is_object())
        return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no JSON object.", word));
      parameters.update(object);
      continue;
    }
    const auto mark = word.find('=');
    if (mark == word.npos || mark == 0)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is neither a JSON object nor NAME=VALUE.", word));
    parameters[word.substr(0, mark)] = word.substr(mark + 1);
  }
  return parameters;
}

Result<void> call_verb(Session& session, const Given& given) {
  const std::string name = value_of(given, "VERB");
  const verbs::Verb* verb = verbs::find(name);
  if (!verb) {
    const auto near = verbs::nearest(name);
    return fail(ErrorCode::InvalidArgument,
                fmt::format("There is no verb '{}'{}. See: cloudos verb list", name,
                            near.empty() ? "" : fmt::format("; is it {}?", near)));
  }
  CLOUDOS_TRY(const json parameters, call_parameters(given));
  CLOUDOS_TRY(const json reply, session.perform(*verb, parameters));
  return print_text(reply.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Result<void> issue_token(Session& session, const Given& given) {
  CLOUDOS_TRY(const Printing printing, printing_of(given));
  CLOUDOS_TRY(const json token, session.transport().login());
  if (!token.contains("id"))
    return fail(ErrorCode::Unsupported, "--local needs no token, and issues none.");
  json shown = {{"expires", value_at(token, "expires_at")},
                {"id", value_at(token, "id")},
                {"user_id", value_at(token, "user.id")}};
  // What it is for, of which there is one or nothing.
  if (token.contains("project")) shown["project_id"] = value_at(token, "project.id");
  if (token.contains("domain")) shown["domain_id"] = value_at(token, "domain.id");
  if (token.contains("system")) shown["system"] = "all";
  return print_sheet(&session, show_sheet({}, shown), printing);
}

Result<void> show_service(Session& session, const Given& given) {
  CLOUDOS_TRY(const Printing printing, printing_of(given));
  const std::string wanted = value_of(given, "SERVICE");
  CLOUDOS_TRY(const json all, session.perform("catalog.list", json::object()));
  for (const char* const member : {"id", "type", "name"}) {
    for (const json& service : all) {
      if (text_member(service, member) != wanted) continue;
      const verbs::Noun* const noun = verbs::find_noun("catalog");
      return print_sheet(&session,
                         show_sheet(noun ? noun->columns : std::span<const Column>(), service),
                         printing);
    }
  }
  return fail(ErrorCode::NotFound,
              fmt::format("The catalog has no service '{}'. See: cloudos catalog list", wanted));
}

Result<void> complete_names(Session& session, const Given& given) {
  const std::string noun = value_of(given, "NOUN");
  const verbs::Verb* brief = verbs::find(noun + ".list_brief");
  const verbs::Verb* list = brief ? brief : verbs::find(noun + ".list");
  const verbs::Noun* row = verbs::find_noun(noun);
  if (!list || !row) return Result<void>();
  CLOUDOS_TRY(const auto things, session.list(*list, json::object(), kNames));
  std::string text;
  for (const json& thing : things) {
    std::string name = text_member(thing, row->label.empty() ? row->key : row->label);
    // A shell would take a name with line ends for two, this program one with a dash for an option.
    if (name.empty() || name.front() == '-' || name.find('\n') != name.npos)
      name = text_member(thing, row->key);
    text += name + "\n";
  }
  return print_text(text);
}

Result<void> list_verbs(const Given& given) {
  static constexpr Column kColumns[] = {{"Verb", "name"},
                                        {"Method", "method"},
                                        {"Path", "path"},
                                        {"Command", "words"},
                                        {"Help", "help", Look::Plain, {}, {}, true}};
  CLOUDOS_TRY(const Printing printing, printing_of(given));
  const std::string part = value_of(given, "WORD");
  std::vector<json> rows;
  for (const verbs::Verb& verb : verbs::all())
    if (verb.name.find(part) != verb.name.npos)
      rows.push_back({{"name", verb.name},
                      {"method", verb.method},
                      {"path", verb.path},
                      {"words", verb.words},
                      {"help", verb.help}});
  Sheet sheet = list_sheet(kColumns, rows);
  std::string missing;
  if (!sort_rows(sheet, printing.sort, missing))
    return fail(ErrorCode::InvalidArgument, fmt::format("There is no column '{}'.", missing));
  return print_sheet(nullptr, std::move(sheet), printing);
}

std::string joined(const Given& given, const char* flag) {
  std::string text;
  if (const auto it = given.find(flag); it != given.end())
    for (const std::string& word : it->second) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<void> show_help(const Given& given) {
  const std::string words = joined(given, "WORDS");
  if (const Leaf* leaf = find_leaf(words)) return print_text(help_of(*leaf));
  const std::string text = help_of_group(words);
  if (!text.empty()) return print_text(text);
  return fail(ErrorCode::InvalidArgument, fmt::format("No command begins with '{}'.", words));
}

Result<void> print_made(const Result<std::string>& made) {
  if (!made) return fail(made.error());
  return print_text(*made);
}

int ended(const Result<void>& done) {
  if (done) return kDone;
  const int code = report(done.error());
  return done.error().code == ErrorCode::InvalidArgument ? kUsage : code;
}

}  // namespace

bool needs_no_session(const Leaf& leaf) {
  return leaf.words != "call" && leaf.words != "complete-names" && leaf.words != "token issue" &&
         leaf.words != "catalog show";
}

int run_own_alone(const Leaf& leaf, const Given& given) {
  if (leaf.words == "help") return ended(show_help(given));
  if (leaf.words == "verb list") return ended(list_verbs(given));
  if (leaf.words == "completion")
    return ended(print_made(completion_script(value_of(given, "SHELL"))));
  const std::string page = value_of(given, "PAGE");
  return ended(print_made(man_page(page.empty() ? "cloudos" : page)));
}

int run_own(Session& session, const Leaf& leaf, const Given& given) {
  Result<void> done;
  if (leaf.words == "token issue")
    done = issue_token(session, given);
  else if (leaf.words == "catalog show")
    done = show_service(session, given);
  else if (leaf.words == "call")
    done = call_verb(session, given);
  else
    done = complete_names(session, given);
  return done ? kDone : report(done.error());
}

}  // namespace cli

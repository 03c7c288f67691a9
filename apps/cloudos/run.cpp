#include "run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "speech.hpp"
#include "values.hpp"
#include "wait.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

bool is_own(const verbs::Command& command, std::string_view flag) {
  return std::any_of(command.parameters.begin(), command.parameters.end(),
                     [&](const auto& p) { return !p.flag.empty() && place_name(p.flag) == flag; });
}

/// A place or option of any of the command's verbs, not one of output.
bool is_parameter(const Leaf& leaf, std::string_view flag) {
  return std::any_of(leaf.verbs.begin(), leaf.verbs.end(),
                     [&](const verbs::Command* c) { return is_own(*c, flag); });
}

bool has_required(const verbs::Command& command, const Given& given) {
  return std::all_of(command.parameters.begin(), command.parameters.end(), [&](const auto& p) {
    return !p.required || p.flag.empty() || has(given, place_name(p.flag));
  });
}

std::set<std::string_view> needed_options(const verbs::Command& command) {
  std::set<std::string_view> flags;
  for (const auto& p : command.parameters)
    if (p.required && !p.flag.empty() && !has_place(p.flag)) flags.insert(p.flag);
  return flags;
}

/// Of writes that need options the one that needs more is meant: with --inherited a role is
/// inherited, and not given on the project itself as well.
void leave_narrower(std::vector<const verbs::Command*>& chosen) {
  const auto all = chosen;
  std::erase_if(chosen, [&](const verbs::Command* one) {
    const auto flags = needed_options(*one);
    return !flags.empty() && std::any_of(all.begin(), all.end(), [&](const verbs::Command* other) {
      const auto more = needed_options(*other);
      return more.size() > flags.size() &&
             std::includes(more.begin(), more.end(), flags.begin(), flags.end());
    });
  });
}

std::string options_text(const Leaf& leaf) {
  std::string text;
  for (const verbs::Command* command : leaf.verbs)
    for (const auto& p : command->parameters)
      if (!p.flag.empty() && !has_place(p.flag) && text.find(p.flag) == text.npos)
        text += (text.empty() ? "" : ", ") + std::string(p.flag);
  return text;
}

/// The things that a list's rows are: projects, for what lists a user's.
const verbs::Noun& listed_noun(const verbs::Verb& verb) {
  const auto list = verb.name.find(".list_");
  if (list != verb.name.npos)
    if (const verbs::Noun* noun = verbs::find_noun(verb.name.substr(list + 6))) return *noun;
  return verbs::noun_of(verb);
}

/// One row for each member, as people compare them: quotas and limits.
Sheet member_rows(const json& members, std::string_view name_title) {
  static constexpr Column kUsage[] = {
      {"Resource", "name"}, {"In Use", "in_use"}, {"Reserved", "reserved"}, {"Limit", "limit"}};
  std::vector<json> rows;
  bool usage = false;
  for (const auto& [name, value] : members.items()) {
    if (name == "id" || value.is_array()) continue;
    json row = {{"name", name}, {"value", value}};
    if (value.is_object()) {
      usage = true;
      row["limit"] = value_at(value, "limit");
      row["reserved"] = value_at(value, "reserved");
      row["in_use"] = value.contains("in_use") ? value["in_use"] : value_at(value, "used");
    }
    rows.push_back(std::move(row));
  }
  if (usage) return list_sheet(kUsage, rows);
  const Column plain[] = {{name_title, "name"},
                          {name_title == "Name" ? "Value" : "Limit", "value"}};
  return list_sheet(plain, rows);
}

/// {"prior_role": …, "implies": [a, b]} as one row each.
std::vector<json> flat_inferences(const std::vector<json>& things) {
  std::vector<json> rows;
  for (const json& thing : things)
    for (const json& implied : thing.value("implies", json::array()))
      rows.push_back({{"prior_role", value_at(thing, "prior_role")}, {"implies", implied}});
  return rows;
}

class VerbRunner {
 public:
  VerbRunner(Session& session, const Leaf& leaf, const Given& given, Printing printing)
      : session_(session), leaf_(leaf), given_(given), printing_(std::move(printing)) {}

  int run() {
    auto chosen = chosen_verbs(leaf_, given_);
    if (!chosen) return report_usage(chosen.error());
    const verbs::Verb& first = *(*chosen)[0]->verb;
    int code = kDone;
    if (first.method == "GET" && leaf_.words.ends_with(" list")) {
      if (auto done = print_list(*chosen); !done) code = report(done.error());
    } else if (first.name.ends_with(".create") && first.method == "POST") {
      if (auto done = create(*(*chosen)[0]); !done) code = report(done.error());
    } else {
      code = run_each(*chosen);
    }
    return code;
  }

 private:
  int report_usage(const cloudos::Error& error) const {
    fmt::print(stderr, "cloudos {}: {}\nUsage: {}\n", leaf_.words, error.message, usage_of(leaf_));
    return kUsage;
  }

  // ---- lists ------------------------------------------------------------------------------------

  Result<void> print_list(const std::vector<const verbs::Command*>& chosen) {
    const verbs::Noun& noun = listed_noun(*chosen[0]->verb);
    std::vector<json> things;
    std::size_t limit = SIZE_MAX;
    for (const verbs::Command* command : chosen) {
      CLOUDOS_TRY(json parameters, parameters_of(session_, *command, given_));
      if (const auto it = parameters.find("limit"); it != parameters.end() && it->is_number()) {
        limit = it->get<std::int64_t>() > 0 ? it->get<std::size_t>() : SIZE_MAX;
        // What is put in order here must be there before it is cut.
        if (limit == SIZE_MAX || !printing_.sort.empty()) parameters.erase("limit");
      }
      CLOUDOS_TRY(auto more, session_.list(*command->verb, std::move(parameters),
                                           printing_.sort.empty() ? limit : SIZE_MAX));
      std::move(more.begin(), more.end(), std::back_inserter(things));
    }
    if (noun.name == "implied_roles") things = flat_inferences(things);
    Sheet sheet = list_sheet(noun.columns, things);
    std::string missing;
    if (!sort_rows(sheet, printing_.sort, missing)) return no_column(sheet, missing);
    if (sheet.rows.size() > limit) sheet.rows.resize(limit);
    return print_sheet(&session_, std::move(sheet), printing_);
  }

  static cloudos::Failure no_column(const Sheet& sheet, const std::string& missing) {
    std::string known;
    for (const Column& column : sheet.columns)
      known +=
          (known.empty() ? "" : ", ") + std::string(sheet.single ? column.field : column.title);
    return fail(ErrorCode::InvalidArgument,
                fmt::format("There is no column '{}'; there are: {}.", missing, known));
  }

  // ---- create -----------------------------------------------------------------------------------

  Result<void> create(const verbs::Command& command) {
    const verbs::Verb& verb = *command.verb;
    const verbs::Noun& noun = verbs::noun_of(verb);
    const std::string file = verb.name == "images.create" ? value_of(given_, "--file") : "";
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
      return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", file));
    CLOUDOS_TRY(const json parameters, parameters_of(session_, command, given_));
    CLOUDOS_TRY(json made, made_or_there(verb, noun, parameters));
    const std::string key = text_member(made, noun.key);
    if (!file.empty()) {
      if (auto sent = session_.perform("images.upload", {{"id", key}, {"file", file}}); !sent) {
        // An image without its data is of no use to anyone.
        (void)session_.perform("images.delete", {{"id", key}});
        return fail(std::move(sent).error());
      }
    }
    // Compute's reply to a create holds little; what was made is read back. A new key pair's
    // private half is shown this one time only.
    if (noun.name == "servers" || !file.empty()) {
      CLOUDOS_TRY(made, session_.perform(std::string(noun.name) + ".show", {{"id", key}}));
    }
    if (has(given_, "--wait") && !noun.ready.empty()) {
      CLOUDOS_TRY(made, wait_until_ready(session_, noun, made, patience()));
    }
    if (made.contains("private_key") && printing_.format == Format::Table &&
        printing_.columns.empty())
      return print_text(text_member(made, "private_key"));
    return print_sheet(&session_, show_sheet(noun.columns, made), printing_);
  }

  /// With --or-show the thing of that name in that domain, where there is one.
  Result<json> made_or_there(const verbs::Verb& verb, const verbs::Noun& noun,
                             const json& parameters) {
    auto made = session_.perform(verb, parameters);
    const bool there = !made && made.error().code == ErrorCode::Conflict;
    if (!there || !has(given_, "--or-show") || !shows_existing(noun)) return made;
    auto found = session_.find(noun, text_member(parameters, "name"),
                               text_member(parameters, "domain_id"));
    return found ? std::move(found) : std::move(made);
  }

  std::chrono::seconds patience() const {
    const auto seconds = cloudos::parse_unsigned(value_of(given_, "--timeout"));
    return std::chrono::seconds(seconds.value_or(600));
  }

  // ---- the rest ---------------------------------------------------------------------------------

  /// One value for each option that is no list: "delete a b" is two commands.
  std::vector<Given> expanded(const std::vector<const verbs::Command*>& chosen) const {
    std::vector<Given> all = {given_};
    for (const auto& [flag, values] : given_) {
      if (values.size() < 2 || !is_parameter(leaf_, flag)) continue;
      const bool splits = std::any_of(chosen.begin(), chosen.end(), [&, f = flag](const auto* c) {
        return std::any_of(c->parameters.begin(), c->parameters.end(), [&](const auto& p) {
          return place_name(p.flag) == f &&
                 (has_place(p.flag) ||
                  (p.kind == verbs::Kind::Text && verbs::in_path(*c->verb, p.name)));
        });
      });
      if (!splits) continue;
      std::vector<Given> more;
      for (const Given& each : all)
        for (const std::string& value : values) {
          more.push_back(each);
          more.back()[flag] = {value};
        }
      all = std::move(more);
    }
    return all;
  }

  int run_each(const std::vector<const verbs::Command*>& chosen) {
    int code = kDone;
    std::vector<Removal> removed;
    for (const Given& given : expanded(chosen)) {
      auto reply = run_all(chosen, given, removed);
      if (reply) {
        if (auto printed = print_reply(*chosen[0]->verb, *reply); !printed)
          code = report(printed.error());
      } else {
        code = report(reply.error());
      }
    }
    if (has(given_, "--wait"))
      for (const std::string& id : rebooted_)
        if (auto up = wait_until_ready(session_, *verbs::find_noun("servers"), {{"id", id}},
                                       patience());
            !up)
          code = report(up.error());
    if (has(given_, "--wait"))
      for (const Removal& each : removed)
        if (auto gone = wait_until_gone(session_, each, patience()); !gone)
          code = report(gone.error());
    return code;
  }

  /// Everything is looked up before anything is changed: a new name must not hide what is next.
  Result<json> run_all(const std::vector<const verbs::Command*>& chosen, const Given& given,
                       std::vector<Removal>& removed) {
    std::vector<json> parameters;
    for (const verbs::Command* command : chosen) {
      CLOUDOS_TRY(json each, parameters_of(session_, *command, given));
      parameters.push_back(std::move(each));
    }
    json merged;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const verbs::Verb& verb = *chosen[i]->verb;
      CLOUDOS_TRY(json reply, session_.perform(verb, parameters[i]));
      if (verb.name.ends_with(".delete") && verbs::in_path(verb, "id"))
        removed.push_back({&verbs::noun_of(verb), text_member(parameters[i], "id")});
      if (verb.name == "servers.reboot") rebooted_.push_back(text_member(parameters[i], "id"));
      if (merged.is_object() && reply.is_object())
        merged.update(reply);
      else if (!reply.is_null())
        merged = std::move(reply);
    }
    return merged;
  }

  Result<void> print_reply(const verbs::Verb& verb, const json& reply) {
    const verbs::Noun& noun = listed_noun(verb);
    if (reply.is_string()) return print_text(reply.get_ref<const std::string&>());
    // What only changes says nothing, as the field's client.
    const bool shows = verb.method == "GET" || verb.name == "tasks.retry" ||
                       verb.name == "tasks.unwind" || verb.name == "implied_roles.create" ||
                       verb.name == "image_members.create" || verb.name == "token_keys.rotate" ||
                       verb.name == "credential_keys.rotate";
    if (reply.is_null() || !shows) return Result<void>();
    if (noun.name == "quotas" || noun.name == "network_quotas")
      return print_sheet(&session_, member_rows(reply, "Resource"), printing_);
    if (noun.name == "limits" && reply.contains("absolute"))
      return print_sheet(&session_, member_rows(reply["absolute"], "Name"), printing_);
    if (noun.name == "network_traces" && printing_.format == Format::Table)
      return print_trace(noun, reply);
    if (reply.is_array())
      return print_sheet(&session_, list_sheet(noun.columns, reply.get_ref<const json::array_t&>()),
                         printing_);
    return print_sheet(&session_, show_sheet(noun.columns, reply), printing_);
  }

  /// Hop by hop, and what it comes to.
  Result<void> print_trace(const verbs::Noun& noun, const json& trace) {
    const json hops = trace.value("hops", json::array());
    CLOUDOS_CHECK(print_sheet(
        &session_, list_sheet(noun.columns, hops.get_ref<const json::array_t&>()), printing_));
    CLOUDOS_CHECK(print_text(text_member(trace, "summary") + "\n"));
    const std::string remedy = text_member(trace, "remedy");
    return remedy.empty() ? Result<void>() : print_text(remedy + "\n");
  }

  Session& session_;
  std::vector<std::string> rebooted_;
  const Leaf& leaf_;
  const Given& given_;
  const Printing printing_;
};

}  // namespace

Result<std::vector<const verbs::Command*>> chosen_verbs(const Leaf& leaf, const Given& given) {
  std::vector<const verbs::Command*> chosen;
  std::set<std::string_view> used;
  bool any_option = false;
  for (const auto& [flag, values] : given)
    any_option = any_option || (!has_place(flag) && is_parameter(leaf, flag));
  for (const verbs::Command* command : leaf.verbs) {
    bool owns_option = false, only_places = true, knows_all = true;
    for (const auto& p : command->parameters) only_places &= p.flag.empty() || has_place(p.flag);
    for (const auto& [flag, values] : given) {
      if (!is_parameter(leaf, flag)) continue;
      if (!is_own(*command, flag))
        knows_all = false;
      else if (!has_place(flag))
        owns_option = true;
    }
    const bool reads = command->verb->method == "GET";
    const bool fits = leaf.verbs.size() == 1 || (reads ? knows_all : owns_option || only_places);
    if (!fits || !has_required(*command, given)) continue;
    chosen.push_back(command);
    for (const auto& p : command->parameters)
      if (!p.flag.empty()) used.insert(place_name(p.flag));
  }
  leave_narrower(chosen);
  if (chosen.empty() && !any_option)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("nothing to do: give one of {}", options_text(leaf)));
  if (chosen.empty())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("these options do not go together, or one is missing of {}",
                            options_text(leaf)));
  for (const auto& [flag, values] : given)
    if (is_parameter(leaf, flag) && !used.count(flag))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} does not go with the other options", flag));
  // One verb that changes things must be told what.
  const verbs::Command& first = *chosen[0];
  const bool changes = first.verb->name.ends_with(".update");
  if (changes && !any_option)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("nothing to change: give one of {}", options_text(leaf)));
  return chosen;
}

Result<Printing> printing_of(const Given& given) {
  static const std::map<std::string, Format> kFormats = {{"table", Format::Table},
                                                         {"json", Format::Json},
                                                         {"yaml", Format::Yaml},
                                                         {"csv", Format::Csv},
                                                         {"value", Format::Value}};
  Printing printing;
  if (const std::string format = value_of(given, "--format"); !format.empty()) {
    const auto known = kFormats.find(format);
    if (known == kFormats.end())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no format: table, json, yaml, csv or value", format));
    printing.format = known->second;
  }
  if (const auto it = given.find("--column"); it != given.end()) printing.columns = it->second;
  if (const auto it = given.find("--sort"); it != given.end()) printing.sort = it->second;
  printing.with_long = has(given, "--long");
  return printing;
}

Result<void> print_text(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (whole && std::fflush(stdout) == 0) return Result<void>();
  return fail(ErrorCode::StorageFull, "Cannot write to the standard output.");
}

Result<void> print_sheet(Session* session, Sheet sheet, const Printing& printing) {
  std::string known;
  for (const Column& column : sheet.columns)
    known += (known.empty() ? "" : ", ") + std::string(sheet.single ? column.field : column.title);
  std::string missing;
  if (!keep_columns(sheet, printing.columns, printing.with_long, missing))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("There is no column '{}'; there are: {}.", missing, known));
  const auto name_of = [session](const Column& column, const std::string& id) {
    return session ? session->member_of(column.noun, id, std::string(column.member)) : id;
  };
  return print_text(render(sheet, printing.format, name_of));
}

int run_verbs(Session& session, const Leaf& leaf, const Given& given) {
  auto printing = printing_of(given);
  if (!printing) {
    fmt::print(stderr, "cloudos {}: {}\n", leaf.words, printing.error().message);
    return kUsage;
  }
  return VerbRunner(session, leaf, given, std::move(*printing)).run();
}

int exit_code(const cloudos::Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound:
      return kNotFound;
    case ErrorCode::Unauthenticated:
      return kNoCloud;
    default:
      return kFailed;
  }
}

int report(const cloudos::Error& error) {
  fmt::print(stderr, "cloudos: {}\n", tr(error.message));
  return exit_code(error);
}

}  // namespace cli

#include "run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "making.hpp"
#include "speech.hpp"
#include "values.hpp"
#include "wait.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

/// A place or option of any of the command's verbs, not one of output.
bool has_parameter(const Leaf& leaf, std::string_view flag) {
  return std::any_of(leaf.verbs.begin(), leaf.verbs.end(), [&](const verbs::Command* c) {
    return std::any_of(c->parameters.begin(), c->parameters.end(), [&](const auto& p) {
      return !p.flag.empty() && place_name(p.flag) == flag;
    });
  });
}

/// The things that a list's rows are: projects, for what lists a user's.
const verbs::Noun& listed_noun(const verbs::Verb& verb) {
  if (shows_what_went(verb))
    if (const verbs::Noun* noun = verbs::find_noun("purged_things")) return *noun;
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
    const int code = run_chosen();
    // What was wrong with the words that were given was wrong before anything was asked.
    return misused_ ? kUsage : code;
  }

 private:
  int run_chosen() {
    auto chosen = chosen_verbs(leaf_, given_);
    if (!chosen) return report_usage(chosen.error());
    const verbs::Verb& first = *(*chosen)[0]->verb;
    int code = kDone;
    if (has(given_, "--all-projects")) session_.look_everywhere();
    if (first.method == "GET" && leaf_.words.ends_with(" list")) {
      if (auto done = print_list(*chosen); !done) code = report(done.error());
    } else if (first.name.ends_with(".create") && first.method == "POST") {
      if (auto done = create(*chosen); !done) code = report(done.error());
    } else if (shows_what_went(first)) {
      auto done = purge(*(*chosen)[0]);
      code = done ? *done : report(done.error());
    } else {
      code = run_each(*chosen);
    }
    return code;
  }

  int report_usage(const cloudos::Error& error) const {
    fmt::print(stderr, "cloudos {}: {}\nUsage: {}\n", leaf_.words, error.message, usage_of(leaf_));
    return kUsage;
  }

  /// What was given, as the verb's parameters. Values that make no sense are misuse.
  Result<json> taken(const verbs::Command& command, const Given& given) {
    auto parameters = parameters_of(session_, command, given);
    misused_ = misused_ || (!parameters && parameters.error().code == ErrorCode::InvalidArgument);
    return parameters;
  }

  // ---- lists ------------------------------------------------------------------------------------

  /// Columns that there are not are told of before anything is asked.
  Result<void> check_columns(const verbs::Noun& noun) {
    if (noun.columns.empty()) return Result<void>();  // They are what comes.
    std::string missing;
    Sheet sheet = list_sheet(noun.columns, {});
    const Sheet all = sheet;
    if (sort_rows(sheet, printing_.sort, missing) &&
        keep_columns(sheet, printing_.columns, printing_.with_long, missing))
      return Result<void>();
    misused_ = true;
    return no_column(all, missing);
  }

  Result<void> print_list(std::vector<const verbs::Command*> chosen) {
    // What the command is called after first: its titles are those of the table.
    std::stable_partition(chosen.begin(), chosen.end(), [this](const verbs::Command* each) {
      return is_main(leaf_, *each);
    });
    CLOUDOS_CHECK(check_columns(listed_noun(*chosen[0]->verb)));
    Sheet sheet;
    std::size_t limit = SIZE_MAX;
    for (const verbs::Command* command : chosen) {
      CLOUDOS_TRY(json parameters, taken(*command, given_));
      if (const auto it = parameters.find("limit"); it != parameters.end() && it->is_number()) {
        limit = it->get<std::int64_t>() > 0 ? it->get<std::size_t>() : SIZE_MAX;
        // What is put in order here must be there before it is cut.
        if (limit == SIZE_MAX || !printing_.sort.empty()) parameters.erase("limit");
      }
      CLOUDOS_TRY(auto more, session_.list(*command->verb, std::move(parameters),
                                           printing_.sort.empty() ? limit : SIZE_MAX));
      const verbs::Noun& noun = listed_noun(*command->verb);
      if (noun.name == "implied_roles") more = flat_inferences(more);
      Sheet rows = list_sheet(noun.columns, more);
      // Lists of several services have the same titles.
      if (command == chosen[0])
        sheet = std::move(rows);
      else
        std::move(rows.rows.begin(), rows.rows.end(), std::back_inserter(sheet.rows));
    }
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

  Result<void> create(const std::vector<const verbs::Command*>& chosen) {
    const verbs::Command& command = *chosen[0];
    const verbs::Verb& verb = *command.verb;
    const verbs::Noun& noun = verbs::noun_of(verb);
    const bool of_image = verb.name == "images.create";
    const NewImageData data(of_image ? given_ : Given());
    SecretFile private_key;
    const bool keeps_key = verb.name == "keypairs.create" && has(given_, "--private-key");
    std::vector<json> parameters;
    for (const verbs::Command* each : chosen) {
      CLOUDOS_TRY(json values, taken(*each, given_));
      parameters.push_back(std::move(values));
    }
    if (of_image) CLOUDOS_CHECK(data.prepare(parameters[0]));
    if (keeps_key && has(given_, "--public-key"))
      return fail(ErrorCode::InvalidArgument, "--private-key does not go with --public-key.");
    if (keeps_key) CLOUDOS_CHECK(private_key.open(value_of(given_, "--private-key")));
    CLOUDOS_TRY(json made, made_or_there(verb, noun, parameters[0]));
    const std::string key = text_member(made, noun.key);
    CLOUDOS_CHECK(data.send(session_, key));
    if (keeps_key) CLOUDOS_CHECK(private_key.keep(session_, made));
    if (const auto done = follow(chosen, parameters, key); !done)
      // l10n: "The {} {} was made, but not all of it: {}"
      return fail(done.error().code, fmt::format("The {} {} was made, but not all of it: {}",
                                                 noun.words, key, tr(done.error().message)));
    // Compute's reply to a create holds little; what was made is read back. A new key pair's
    // private half is shown this one time only.
    if (noun.name == "servers" || data.any() || chosen.size() > 1) {
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

  /// What is done to the new thing: tags, properties.
  Result<void> follow(const std::vector<const verbs::Command*>& chosen,
                      std::vector<json>& parameters, const std::string& key) {
    for (std::size_t i = 1; i < chosen.size(); ++i) {
      for (const verbs::Parameter& p : chosen[i]->parameters)
        if (p.kind == verbs::Kind::Made) parameters[i][std::string(p.name)] = key;
      CLOUDOS_CHECK(session_.perform(*chosen[i]->verb, parameters[i]));
    }
    return Result<void>();
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

  // ---- projects ---------------------------------------------------------------------------------

  /// Shows what goes, and asks first where that was not settled. The exit code: whether all went.
  Result<int> purge(const verbs::Command& command) {
    CLOUDOS_TRY(json parameters, taken(command, given_));
    const bool asks = command.verb->name == "projects.cleanup" &&
                      !has(given_, "--auto-approve") && !has(given_, "--dry-run");
    if (asks) {
      json look = parameters;
      look["dry_run"] = true;
      CLOUDOS_TRY(const json there, session_.perform(*command.verb, look));
      // Programs read what went, and that alone; people, what would.
      const bool for_people = printing_.format == Format::Table;
      if (for_people)
        CLOUDOS_CHECK(print_rows(*command.verb, there));
      else
        fmt::print(stderr, "{}", render(rows_of(*command.verb, there), Format::Table, plain_id));
      if (there.empty() || !confirmed()) {
        if (!for_people) CLOUDOS_CHECK(print_rows(*command.verb, json::array()));
        return kDone;
      }
    }
    CLOUDOS_TRY(const json rows, session_.perform(*command.verb, parameters));
    CLOUDOS_CHECK(print_rows(*command.verb, rows));
    const bool all = std::none_of(rows.begin(), rows.end(), [](const json& row) {
      const std::string status = text_member(row, "status");
      return status != "deleted" && status != "to delete";
    });
    return all ? kDone : kFailed;
  }

  static Sheet rows_of(const verbs::Verb& verb, const json& rows) {
    return list_sheet(listed_noun(verb).columns, rows.get_ref<const json::array_t&>());
  }
  static std::string plain_id(const Column&, const std::string& id) { return id; }

  Result<void> print_rows(const verbs::Verb& verb, const json& rows) {
    return print_sheet(&session_, rows_of(verb, rows), printing_);
  }

  static bool confirmed() {
    fmt::print(stderr, "{} [y/N] ", tr("Delete all of this?"));
    std::string line;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar())
      line += static_cast<char>(c);
    return line == "y" || line == "Y" || line == "yes";
  }

  // ---- the rest ---------------------------------------------------------------------------------

  /// One value for each option that is no list: "delete a b" is two commands.
  std::vector<Given> expanded(const std::vector<const verbs::Command*>& chosen) const {
    std::vector<Given> all = {given_};
    for (const auto& [flag, values] : given_) {
      if (values.size() < 2 || !has_parameter(leaf_, flag)) continue;
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
      for (const auto& [id, status] : powered_)
        if (auto up = wait_until_ready(session_, *verbs::find_noun("servers"), {{"id", id}},
                                       patience(), status);
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
      CLOUDOS_TRY(json each, taken(*command, given));
      parameters.push_back(std::move(each));
    }
    json merged;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const verbs::Verb& verb = *chosen[i]->verb;
      CLOUDOS_TRY(json reply, session_.perform(verb, parameters[i]));
      if (verb.name.ends_with(".delete") && verbs::in_path(verb, "id"))
        removed.push_back({&verbs::noun_of(verb), text_member(parameters[i], "id")});
      for (const auto& [power, status] : kPower)
        if (verb.name == power)
          powered_.emplace_back(text_member(parameters[i], "id"), std::string(status));
      if (merged.is_object() && reply.is_object())
        merged.update(reply);
      else if (!reply.is_null())
        merged = std::move(reply);
    }
    return merged;
  }

  Result<void> print_reply(const verbs::Verb& verb, const json& reply) {
    const verbs::Noun& noun = listed_noun(verb);
    if (verb.name == "keypairs.show" && has(given_, "--public-key"))
      return print_text(text_member(reply, "public_key") + "\n");
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
    if (reply.is_array()) return print_rows(verb, reply);
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
  /// What is waited for behind a verb; empty: what is waited for behind a create.
  static constexpr std::pair<std::string_view, std::string_view> kPower[] = {
      {"servers.reboot", ""}, {"servers.start", "ACTIVE"}, {"servers.stop", "SHUTOFF"}};
  std::vector<std::pair<std::string, std::string>> powered_;  // Servers, and what they should be.
  bool misused_ = false;
  const Leaf& leaf_;
  const Given& given_;
  const Printing printing_;
};

}  // namespace

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
  if (has(given, "--sort-ascending") && has(given, "--sort-descending"))
    return fail(ErrorCode::InvalidArgument, "--sort-ascending does not go with --sort-descending.");
  if (const auto it = given.find("--sort-column"); it != given.end())
    for (const std::string& column : it->second)
      printing.sort.push_back(column + (has(given, "--sort-descending") ? ":desc" : ""));
  printing.with_long = has(given, "--long");
  printing.names = !has(given, "--no-name-lookup");
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
  const bool names = session && printing.names;
  const auto name_of = [session, names](const Column& column, const std::string& id) {
    return names ? session->member_of(column.noun, id, std::string(column.member)) : id;
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

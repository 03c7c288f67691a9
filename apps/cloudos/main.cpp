#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "admin.hpp"
#include "base/text.hpp"
#include "verbs.hpp"

/// The command line: every command is made from the table of nouns. The one file that sees CLI11.
namespace {

/// The subcommand of that name, made when it is not there.
CLI::App* branch(CLI::App* app, const std::string& name) {
  for (CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; }))
    if (sub->get_name() == name) return sub;
  CLI::App* sub = app->add_subcommand(name);
  sub->require_subcommand(1);
  return sub;
}

CLI::App* leaf(CLI::App& app, std::string_view words, const std::string& verb,
               const std::string& help) {
  CLI::App* at = &app;
  for (const std::string_view word : cloudos::split(words, ' ')) {
    at = branch(at, std::string(word));
    at->description("work with a " + std::string(words));
  }
  return at->add_subcommand(verb, help);
}

void add_output_options(CLI::App* sub, cli::Command& command) {
  static const std::map<std::string, cli::Format> kFormats = {
      {"table", cli::Format::Table}, {"json", cli::Format::Json}, {"value", cli::Format::Value}};
  sub->add_option("-f,--format", command.format, "table, json or value [table]")
      ->transform(CLI::CheckedTransformer(kFormats))
      ->type_name("FORMAT");
  // One value each time: what follows may be the name of what is shown.
  sub->add_option("-c,--column", command.columns, "column to show (repeat for more)")
      ->take_all()
      ->allow_extra_args(false);
}

void add_wait_options(CLI::App* sub, cli::Command& command) {
  sub->add_flag("--wait", command.wait, "wait until it is done; progress goes to stderr");
  sub->add_option_function<std::uint32_t>(
      "--timeout",
      [&command](const std::uint32_t& seconds) {
        command.patience = std::chrono::seconds(seconds);
      },
      "seconds to wait at most [600]");
}

void add_create_options(CLI::App* sub, const cli::Noun& noun, cli::Command& command) {
  for (const cli::OptionSpec& option : noun.options) {
    const std::string flag(option.flag);
    const std::string help(option.help);
    if (option.kind == cli::Kind::Constant) {
      sub->add_flag_function(
          flag, [&command, flag](std::int64_t) { command.given[flag] = {""}; }, help);
      continue;
    }
    CLI::Option* added = sub->add_option_function<std::vector<std::string>>(
        flag,
        [&command, flag](const std::vector<std::string>& texts) { command.given[flag] = texts; },
        help);
    added->take_all()->allow_extra_args(false)->required(option.required);
  }
}

void add_noun(CLI::App& app, const cli::Noun& noun, cli::Command& command) {
  const std::string words(noun.words);
  const auto chosen = [&command, &noun](cli::Verb verb) {
    return [&command, &noun, verb] {
      command.noun = &noun;
      command.verb = verb;
    };
  };
  CLI::App* create = leaf(app, noun.words, "create", "make a " + words);
  create->add_option(std::string(noun.subject), command.subjects)->required()->expected(1);
  add_create_options(create, noun, command);
  add_output_options(create, command);
  add_wait_options(create, command);
  create->callback(chosen(cli::Verb::Create));

  CLI::App* list = leaf(app, noun.words, "list", "list every " + words + " you may see");
  add_output_options(list, command);
  list->callback(chosen(cli::Verb::List));

  CLI::App* show = leaf(app, noun.words, "show", "show all about a " + words);
  show->add_option("NAME_OR_ID", command.subjects)->required()->expected(1);
  add_output_options(show, command);
  show->callback(chosen(cli::Verb::Show));

  CLI::App* remove = leaf(app, noun.words, "delete", "delete a " + words + ", or several");
  remove->add_option("NAME_OR_ID", command.subjects)->required();
  add_output_options(remove, command);
  add_wait_options(remove, command);
  remove->callback(chosen(cli::Verb::Delete));
}

void add_admin(CLI::App& app, const cli::AdminCommand& admin, cli::AdminGiven& given,
               const cli::AdminCommand*& chosen) {
  const std::size_t cut = admin.words.rfind(' ');
  CLI::App* sub = cut == std::string_view::npos
                      ? app.add_subcommand(std::string(admin.words), std::string(admin.help))
                      : leaf(app, admin.words.substr(0, cut),
                             std::string(admin.words.substr(cut + 1)), std::string(admin.help));
  for (const cli::AdminOption& option : admin.options) {
    const std::string flag(option.flag);
    const std::string help(option.help);
    if (option.value.empty() && flag.starts_with('-')) {
      sub->add_flag_function(flag, [&given, flag](std::int64_t) { given[flag] = {""}; }, help);
      continue;
    }
    CLI::Option* added = sub->add_option_function<std::vector<std::string>>(
        flag, [&given, flag](const std::vector<std::string>& texts) { given[flag] = texts; }, help);
    added->required(option.required)->type_name(std::string(option.value));
    if (option.repeated)
      added->take_all();
    else
      added->expected(1);
  }
  sub->callback([&admin, &chosen] { chosen = &admin; });
}

}  // namespace

int main(int argc, char** argv) {
  cli::Command command;
  cli::AdminGiven given;
  const cli::AdminCommand* admin = nullptr;
  CLI::App app(
      "cloudos: the command line of a cloud.\n"
      "Exit codes: 0 done; 1 the cloud refused; 2 usage; 3 no cloud or login; 4 no such thing.");
  app.set_version_flag("--version", std::string("cloudos ") + CLOUDOS_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--os-cloud", command.cloud, "cloud of clouds.yaml to use [OS_CLOUD]");
  for (const cli::Noun& noun : cli::all_nouns()) add_noun(app, noun, command);
  for (const cli::AdminCommand& row : cli::admin_commands()) add_admin(app, row, given, admin);
  CLI::App* issue = leaf(app, "token", "issue", "log in and show the token");
  add_output_options(issue, command);
  issue->callback([&command] { command.verb = cli::Verb::TokenIssue; });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? cli::kDone : cli::kUsage;
  }
  return admin ? admin->run(given) : cli::run(command);
}

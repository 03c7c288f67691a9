#include <fstream>
#include <sstream>

#include "site.hpp"

using namespace program_test;

namespace {

std::string printed(std::vector<std::string> words) {
  words.insert(words.begin(), CLOUDOS_PROGRAM);
  const Ran ran = run_program(words);
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  return ran.out;
}

constexpr const char* kZsh = "/usr/bin/zsh";
constexpr const char* kFish = "/usr/bin/fish";

std::string programs() { return std::filesystem::path(CLOUDOS_PROGRAM).parent_path().string(); }
std::string on_path() { return "PATH=" + programs() + ":$PATH; "; }

/// What a shell offers for a line whose last word is being typed.
struct Offer {
  std::string what, typed, offers, never;
};
std::vector<Offer> offers(const std::string& name) {
  return {
      {"nouns", "cloudos ''", "server", "complete-names"},
      {"part of a noun", "cloudos ser", "server", ""},
      {"verbs", "cloudos server ''", "create", "server"},
      {"words of several", "cloudos security group ''", "rule", "server"},
      {"options", "cloudos server list --", "--all-projects", "--ram"},
      {"part of an option", "cloudos server create --fl", "--flavor", ""},
      {"formats", "cloudos server list -f ''", "yaml", "_cloudos"},
      {"names in a place", "cloudos network show ''", name, "cloudos.fish"},
      {"names of an option", "cloudos port create p --network ''", name, "cloudos.fish"},
      {"names of domains", "cloudos role add reader --user-domain ''", "Default", "cloudos.fish"},
      {"verbs behind options", "cloudos --no-cache network ''", "delete", "cloudos.fish"},
      {"verbs behind a value", "cloudos --os-project-name admin network ''", "delete", "server"},
  };
}
void check_offer(const Offer& row, const std::string& out) {
  CAPTURE(out);
  const std::string lines = "\n" + out;
  CHECK(lines.find("\n" + row.offers + "\n") != std::string::npos);
  if (!row.never.empty()) CHECK(lines.find("\n" + row.never + "\n") == std::string::npos);
}

}  // namespace

TEST_CASE("bash completes commands, options, formats and names") {
  REQUIRE(std::filesystem::exists("/bin/bash"));  // Debian always has it.
  cli_test::Site& site = cli_test::shared_site();
  TempDir dir;
  const std::string script = dir.file("cloudos.bash", printed({"completion", "bash"}));
  CHECK(run_program({"/bin/bash", "-n", script}).err.empty());
  CHECK(site.line("network create 'a b; touch x'").code == 0);
  for (const Offer& row : offers("a\\ b\\;\\ touch\\ x")) {
    CAPTURE(row.what);
    const std::string drive =
        on_path() + ". " + script + "; cd " + dir.path().string() + "; COMP_WORDS=(" + row.typed +
        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cloudos; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const Ran ran =
        run_program({"/bin/bash", "--norc", "-c", drive}, site.server.client_variables());
    CAPTURE(ran.err);
    check_offer(row, ran.out);
  }
  CHECK_FALSE(std::filesystem::exists(dir.path() / "x"));
  CHECK(site.line("network delete 'a b; touch x'").code == 0);
}

TEST_CASE("zsh offers commands, options and names from the first time that it is asked") {
  const std::string zsh = printed({"completion", "zsh"});
  CHECK(zsh.starts_with("#compdef cloudos\n"));
  if (!std::filesystem::exists(kZsh)) {
    MESSAGE("skipped: there is no zsh");
    return;
  }
  cli_test::Site& site = cli_test::shared_site();
  TempDir dir;
  dir.file("_cloudos", zsh);
  CHECK(site.line("network create 'a b; touch x'").code == 0);
  for (const Offer& row : offers("a b; touch x")) {
    CAPTURE(row.what);
    // As an installation has it: found by compinit in fpath, read when it is first needed.
    const std::string drive =
        on_path() + "cd " + dir.path().string() + "; fpath=(" + dir.path().string() +
        " $fpath); autoload -Uz compinit; compinit -u -d " + (dir.path() / "dump").string() +
        "; compadd() { print -rl -- \"${(@P)2}\" }; _files() { print -r -- '(files)' }; words=(" +
        row.typed + "); CURRENT=${#words}; $_comps[cloudos]";
    const Ran ran = run_program({kZsh, "-f", "-c", drive}, site.server.client_variables());
    CAPTURE(ran.err);
    check_offer(row, ran.out);
  }
  CHECK_FALSE(std::filesystem::exists(dir.path() / "x"));
  CHECK(site.line("network delete 'a b; touch x'").code == 0);
}

TEST_CASE("fish offers commands, options and names, wherever options with values stand") {
  const std::string fish = printed({"completion", "fish"});
  CHECK(fish.find("__cloudos_in 'role assignment list'\"") != std::string::npos);
  if (!std::filesystem::exists(kFish)) {
    MESSAGE("skipped: there is no fish");
    return;
  }
  cli_test::Site& site = cli_test::shared_site();
  TempDir dir;
  const std::string script = dir.file("cloudos.fish", fish);
  CHECK(site.line("network create 'a b; touch x'").code == 0);
  auto variables = site.server.client_variables();
  variables["HOME"] = dir.path().string();
  variables["XDG_CONFIG_HOME"] = dir.path().string();
  for (const Offer& row : offers("a b; touch x")) {
    CAPTURE(row.what);
    std::string typed = row.typed;
    if (typed.ends_with("''")) typed.resize(typed.size() - 2);
    const std::string drive = "set -x PATH " + programs() + " $PATH; source " + script + "; cd " +
                              dir.path().string() + "; complete -C '" + typed + "'";
    const Ran ran = run_program({kFish, "-N", "-c", drive}, variables);
    CAPTURE(ran.err);
    // What is offered may have a description behind a tab.
    std::string lines, line;
    for (std::stringstream out(ran.out); std::getline(out, line);)
      lines += line.substr(0, line.find('\t')) + "\n";
    check_offer(row, lines);
  }
  CHECK_FALSE(std::filesystem::exists(dir.path() / "x"));
  CHECK(site.line("network delete 'a b; touch x'").code == 0);
}

TEST_CASE("a name that would be an option of the command is completed as its id") {
  cli_test::Site& site = cli_test::shared_site();
  CHECK(site.line("call networks.create name=--all").code == 0);
  const auto names = [&] { return "\n" + site.line("complete-names networks").out; };
  CHECK(names().find("\n--all\n") == std::string::npos);
  const std::string id = site.line("network list --name=--all -f value -c ID").out;
  CHECK(names().find("\n" + id) != std::string::npos);
  CHECK(site.line("network delete " + id.substr(0, id.find('\n'))).code == 0);
}

TEST_CASE("a shell that is not known gets no script, and hears which are") {
  const Ran unknown = run_program({CLOUDOS_PROGRAM, "completion", "cmd"});
  CHECK(unknown.code == 2);
  CHECK(unknown.err.find("bash, zsh or fish") != std::string::npos);
}

TEST_CASE("the list of commands keeps their words and their help apart") {
  std::stringstream help(printed({"help"}));
  std::size_t commands = 0;
  for (std::string line; std::getline(help, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 140);
    const auto help_at = line.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (!line.starts_with("  ") || line[2] == ' ' || line[2] == '-') continue;
    ++commands;
    if (help_at != line.npos) CHECK(line[help_at - 1] == ' ');
  }
  CHECK(commands > 200);
}

TEST_CASE("manual pages have every command and every setting, and are clean for groff") {
  const std::string page = printed({"man"});
  CHECK(page.starts_with(".TH CLOUDOS 1 "));
  for (const char* words : {"server create", "role add", "image save", "task unwind"}) {
    CAPTURE(words);
    CHECK(page.find(".SS \"" + std::string(words) + "\"") != std::string::npos);
  }
  CHECK(page.find("complete\\-names") == std::string::npos);
  const std::string daemon = printed({"man", "cloudosd"});
  for (const char* key : {"data_dir", "\\fB\\-\\-listen\\fR", ".SS \"[tls]\""}) {
    CAPTURE(key);
    CHECK(daemon.find(key) != std::string::npos);
  }
  CHECK(run_program({CLOUDOS_PROGRAM, "man", "ls"}).code == 2);
  if (!std::filesystem::exists("/usr/bin/groff")) {
    MESSAGE("skipped: there is no groff to judge the pages by");
    return;
  }
  TempDir dir;
  for (const std::string& text : {page, daemon}) {
    const Ran ran =
        run_program({"/usr/bin/groff", "-man", "-ww", "-z", "-Tutf8", dir.file("page", text)});
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.err.empty());
  }
}

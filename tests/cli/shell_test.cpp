#include <fstream>

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

}  // namespace

TEST_CASE("bash completes commands, options, formats and names") {
  if (!std::filesystem::exists("/bin/bash")) return;  // Debian always has it.
  cli_test::Site& site = cli_test::shared_site();
  TempDir dir;
  const std::string script = dir.file("cloudos.bash", printed({"completion", "bash"}));
  CHECK(run_program({"/bin/bash", "-n", script}).err.empty());
  CHECK(site.line("network create 'a b; touch x'").code == 0);
  struct Row {
    std::string what, typed, offers, never;
  };
  const Row rows[] = {
      {"nouns", "cloudos ''", "server", "complete-names"},
      {"part of a noun", "cloudos ser", "server", "image"},
      {"verbs", "cloudos server ''", "create", "server"},
      {"words of several", "cloudos security group ''", "rule", "server"},
      {"options", "cloudos server list --", "--all-projects", "--ram"},
      {"part of an option", "cloudos server create --fl", "--flavor", "--image"},
      {"formats", "cloudos server list -f ''", "yaml", "--long"},
      {"names in a place", "cloudos network show ''", "a\\ b\\;\\ touch\\ x", ""},
      {"names of an option", "cloudos port create p --network ''", "a\\ b\\;\\ touch\\ x", ""},
      {"verbs behind options", "cloudos --no-cache network ''", "delete", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string drive =
        "PATH=" + std::filesystem::path(CLOUDOS_PROGRAM).parent_path().string() + ":$PATH; . " +
        script + "; cd " + dir.path().string() + "; COMP_WORDS=(" + row.typed +
        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cloudos; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const Ran ran =
        run_program({"/bin/bash", "--norc", "-c", drive}, site.server.client_variables());
    CAPTURE(ran.err);
    const std::string lines = "\n" + ran.out;
    CHECK(lines.find("\n" + row.offers + "\n") != std::string::npos);
    if (!row.never.empty()) CHECK(lines.find("\n" + row.never + "\n") == std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(dir.path() / "x"));
  CHECK(site.line("network delete 'a b; touch x'").code == 0);
}

TEST_CASE("zsh and fish get scripts that know every command") {
  const std::string zsh = printed({"completion", "zsh"}), fish = printed({"completion", "fish"});
  CHECK(zsh.starts_with("#compdef cloudos\n"));
  for (const char* words : {"server create", "role assignment list", "task retry"}) {
    CAPTURE(words);
    CHECK(zsh.find("\"" + std::string(words) + "\") printf") != std::string::npos);
    CHECK(fish.find("__cloudos_in '" + std::string(words) + "'\"") != std::string::npos);
  }
  for (const auto& [shell, script] :
       std::map<std::string, std::string>{{"/usr/bin/zsh", zsh}, {"/usr/bin/fish", fish}}) {
    if (!std::filesystem::exists(shell)) continue;
    TempDir dir;
    CHECK(run_program({shell, "-n", dir.file("script", script)}).err.empty());
  }
  const Ran unknown = run_program({CLOUDOS_PROGRAM, "completion", "cmd"});
  CHECK(unknown.code == 2);
  CHECK(unknown.err.find("bash, zsh or fish") != std::string::npos);
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
  if (!std::filesystem::exists("/usr/bin/groff")) return;
  TempDir dir;
  for (const std::string& text : {page, daemon}) {
    const Ran ran =
        run_program({"/usr/bin/groff", "-man", "-ww", "-z", "-Tutf8", dir.file("page", text)});
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.err.empty());
  }
}

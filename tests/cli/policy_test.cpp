#include <sstream>

#include "support/program.hpp"

using namespace program_test;

namespace {

Ran policy(std::vector<std::string> words) {
  words.insert(words.begin(), {CLOUDOS_PROGRAM, "policy"});
  return run_program(std::move(words));
}

constexpr const char* kTwoRules =
    "\"identity:list_users\": \"role:helper or rule:admin_required\"\n"
    "\"identity:get_user\": \"rule:admin_required\"\n"
    "\"identity:list_roles\": \"rule:cloud_reader or role:manager\"  # as it is anyway\n";

}  // namespace

TEST_CASE("policy show prints rules as a file that policy check takes and that changes nothing") {
  TempDir dir;
  const Ran all = policy({"show"});
  CHECK(all.code == 0);
  const std::string file = dir.file("all.yaml", all.out);
  CHECK(policy({"check", file}).code == 0);
  const Ran same = policy({"diff", file});
  CAPTURE(same.out);
  CHECK(same.code == 0);
  CHECK(same.out.empty());
  const Ran one = policy({"show", "identity:list_users"});
  CHECK(one.out.starts_with("\"identity:list_users\": \""));
  CHECK(one.out.find("scope") != std::string::npos);
  const Ran none = policy({"show", "identity:list_user"});
  CHECK(none.code == 1);
  CHECK(none.err.find("did you mean 'identity:list_users'") != std::string::npos);
}

TEST_CASE("policy diff shows the rules that a file changes, before and after, and ends with 3") {
  TempDir dir;
  const Ran ran = policy({"diff", dir.file("two.yaml", kTwoRules)});
  CHECK(ran.code == 3);
  std::string minus, plus;
  std::size_t lines = 0;
  std::stringstream out(ran.out);
  for (std::string line; std::getline(out, line); ++lines)
    (line.starts_with('-') ? minus : plus) += line + "\n";
  CHECK(lines % 2 == 0);
  CHECK(plus.find("+\"identity:get_user\": \"rule:admin_required\"\n") != std::string::npos);
  CHECK(plus.find("+\"identity:list_users\": \"role:helper or rule:admin_required\"\n") !=
        std::string::npos);
  CHECK(minus.find("-\"identity:get_user\": ") != std::string::npos);
  CHECK(minus.find("-\"identity:list_users\": ") != std::string::npos);
  CHECK(minus.find("\"identity:delete_user\"") == std::string::npos);
  const Ran empty = policy({"diff", dir.file("empty.yaml", "")});
  CHECK(empty.code == 0);
  CHECK(empty.out.empty());
}

TEST_CASE("policy check asks a file questions, and tells each check of the answer") {
  TempDir dir;
  const std::string file = dir.file("two.yaml", kTwoRules);
  struct Row {
    std::string what, as;
    int code;
    std::string says;
  };
  const Row rows[] = {
      {"the role of the file", "role=helper project=p1", 0, "role:helper: yes"},
      {"an admin", "role=admin project=p1", 0, "role:admin: yes"},
      {"nobody of them", "role=member project=p1", 3, "role:helper: no"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Ran ran = policy({"check", file, "--rule", "identity:list_users", "--as", row.as});
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK(ran.out.find(row.says) != std::string::npos);
  }
}

TEST_CASE("a policy file with an error is refused by its line, and nothing is shown of it") {
  TempDir dir;
  const std::string file =
      dir.file("bad.yaml", "\"identity:get_user\": \"@\"\n\"identity:lst_users\": \"@\"\n");
  for (const char* verb : {"check", "diff"}) {
    CAPTURE(verb);
    const Ran ran = policy({verb, file});
    CHECK(ran.code == 1);
    CHECK(ran.out.empty());
    CHECK(ran.err.find("line 2") != std::string::npos);
    CHECK(ran.err.find("did you mean 'identity:list_users'") != std::string::npos);
  }
}

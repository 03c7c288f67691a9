#include <fstream>

#include "site.hpp"

using namespace program_test;
using nlohmann::json;

namespace {

struct Folder {
  TempDir dir;
  std::string data = (dir.path() / "data").string();

  Ran cloudos(const std::string& line) const {
    std::vector<std::string> words = {CLOUDOS_PROGRAM, "--local", data};
    for (const auto& word : cli_test::Site::words_of(line)) words.push_back(word);
    return run_program(words, {{"XDG_CACHE_HOME", dir.path().string()}});
  }
};

}  // namespace

TEST_CASE("a folder that nobody runs is worked on without any server") {
  Folder folder;
  const std::string disk = folder.dir.file("disk.raw", std::string(8192, 'l'));
  struct Step {
    std::string line;
    int code;
    std::string says;
  };
  const Step steps[] = {
      {"project create p1", 0, "p1"},
      {"image create i1 --file " + disk, 0, "active"},
      {"image save i1 --file " + disk + ".copy", 0, ""},
      {"network create n1", 0, "n1"},
      {"subnet create s1 --network n1 --subnet-range 10.0.0.0/24", 0, "10.0.0.0/24"},
      {"flavor create f1 --ram 64 --disk 1 --vcpus 1", 0, "f1"},
      {"--simulated server create v1 --flavor f1 --image i1 --network n1 --wait", 0, "ACTIVE"},
      {"server list -f value -c Name -c Status", 0, "v1 ACTIVE"},
      {"--os-project-name p1 network list -f value", 0, ""},
      {"--os-project-name nobody network list", 3, "nobody"},
      {"catalog list", 0, "compute"},
      {"quota show -f value", 0, "cores"},
      {"token issue", 1, "--local"},
      {"network list --tags t -f value", 0, ""},
      {"network set n1 --tag t", 0, ""},
      {"network list --tags t -f value -c Name", 0, "n1"},
      {"versions show --service compute -f value -c 'Max Microversion'", 0, "2.19"},
      {"quota set p1 --cores 3", 0, ""},
      {"quota list --compute -f value -c Cores", 0, "3"},
      {"--os-project-name p1 network create n2", 0, "n2"},
      {"project purge --project p1 --dry-run -f value -c Type -c Name", 0, "network n2"},
      {"project purge --project p1 -f value -c Type -c Status", 0, "project deleted"},
      {"project show p1", 4, "p1"},
      {"keypair create --private-key " + disk + ".pem k1", 0, "fingerprint"},
      {"--simulated server delete v1 --wait", 0, ""},
      {"server show v1", 4, "No server"},
      {"task list --type create-server -f value -c State", 0, "done"},
      {"user create u1 --password secret", 0, "u1"},
  };
  for (const Step& step : steps) {
    CAPTURE(step.line);
    const Ran ran = folder.cloudos(step.line);
    CAPTURE(ran.out);
    CAPTURE(ran.err);
    CHECK(ran.code == step.code);
    CHECK((step.code == 0 ? ran.out : ran.err).find(step.says) != std::string::npos);
  }
  CHECK(text_of(disk + ".copy") == text_of(disk));
}

TEST_CASE("beside a running cloud, local work is the cloud's own at once") {
  cli_test::Site& site = cli_test::shared_site();
  const auto local = [&](const std::string& line) {
    std::vector<std::string> words = {CLOUDOS_PROGRAM, "--local", site.server.data_dir().string()};
    for (const auto& word : cli_test::Site::words_of(line)) words.push_back(word);
    const Ran ran = run_program(words);
    INFO(line << ran.err);
    CHECK(ran.code == 0);
    return ran.out;
  };
  const std::string disk = site.dir.file("beside.raw", std::string(8192, 'g'));
  local("network create beside");
  CHECK(site.ask({"network", "show", "beside"})["name"] == "beside");
  local("image create beside --file " + disk);
  local("flavor create beside --ram 64 --disk 1 --vcpus 1");
  // The cloud does the work of what a guest asked for.
  CHECK(local("server create beside --flavor beside --image beside --wait -f value -c status") ==
        "ACTIVE\n");
  CHECK(site.ask({"server", "show", "beside"})["status"] == "ACTIVE");
  local("server delete beside --wait");
  CHECK(site.line("server show beside").code == 4);
  local("flavor delete beside");
  local("image delete beside");
  local("network delete beside");
}

TEST_CASE("what looks makes no cloud, and none is made among other things") {
  TempDir dir;
  const auto local = [&](const std::string& folder, const std::string& line) {
    std::vector<std::string> words = {CLOUDOS_PROGRAM, "--local", (dir.path() / folder).string()};
    for (const auto& word : cli_test::Site::words_of(line)) words.push_back(word);
    return run_program(words);
  };
  for (const std::string line : {"network list", "project show admin", "catalog show image",
                                 "call networks.list", "token issue"}) {
    CAPTURE(line);
    const Ran ran = local("mistyped", line);
    CHECK(ran.code == 3);
    CHECK(ran.err.find("There is no cloud in ") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(dir.path() / "mistyped"));
  }
  // What is not to be seen is not taken for what is not there.
  const Ran unseen = local(std::string(300, 'n'), "network list");
  CHECK(unseen.code == 3);
  CHECK(unseen.err.find("There is no cloud in ") == std::string::npos);
  std::filesystem::create_directory(dir.path() / "notes");
  dir.file("notes/diary", "x");
  const Ran ran = local("notes", "network create n1");
  CHECK(ran.code == 3);
  CHECK(ran.err.find("but other things are") != std::string::npos);
  std::filesystem::remove(dir.path() / "notes/diary");
  std::filesystem::create_directory(dir.path() / "notes/lost+found");
  CHECK(local("notes", "call networks.create name=n1").code == 0);
  CHECK(local("notes", "network list").code == 0);
}

TEST_CASE("work that nobody does is told of, and not waited for") {
  Folder folder;
  const std::string disk = folder.dir.file("disk.raw", std::string(4096, 'w'));
  REQUIRE(folder.cloudos("image create i --file " + disk).code == 0);
  REQUIRE(folder.cloudos("flavor create f --ram 64 --disk 1 --vcpus 1").code == 0);
  const Ran made = folder.cloudos("server create s1 --image i --flavor f");
  CHECK(made.code == 0);
  CHECK(made.err.find("Nobody runs ") != std::string::npos);
  const Ran other = folder.cloudos("network create n1");
  CHECK(other.code == 0);
  CHECK(other.err.empty());
  const Ran waited = folder.cloudos("server create s2 --image i --flavor f --wait");
  CHECK(waited.code == 1);
  CHECK(waited.err.find("server s2 is BUILD, and nobody is there") != std::string::npos);
  CHECK(folder.cloudos("--simulated server delete s1 s2 --wait").code == 0);
}

TEST_CASE("local work on what is no folder says so") {
  TempDir dir;
  const std::string file = dir.file("file", "x");
  const Ran ran = run_program({CLOUDOS_PROGRAM, "--local", file, "network", "list"});
  CHECK(ran.code == 3);
  CHECK_FALSE(ran.err.empty());
}

#include "support/program.hpp"

using namespace program_test;

namespace {

Ran cloudos_config(std::vector<std::string> words, const Variables& variables = {}) {
  words.insert(words.begin(), {CLOUDOS_PROGRAM, "config"});
  return run_program(std::move(words), variables);
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "config check ends with 0 for a good file and 2 for a bad one, saying all that is wrong") {
  TempDir dir;
  const std::string good = dir.file("good.conf", "[cloud]\ndata_dir = d\n");
  const std::string bad = dir.file("bad.conf", "[cloud]\ndata_dir = d\nworkres = 3\n[x]\n");
  const Ran taken = cloudos_config({"check", "--config", good});
  CHECK(taken.code == 0);
  CHECK(taken.out == "The configuration is good.\n");
  const Ran refused = cloudos_config({"check", "--config", bad}, {{"CLOUDOS_LOG_LEVEL", "loud"}});
  CAPTURE(refused.err);
  CHECK(refused.code == 2);
  CHECK(says(refused.err, "bad.conf:3: [cloud] has no key 'workres'. Did you mean 'workers'?"));
  CHECK(says(refused.err, "bad.conf:4: there is no section [x]"));
  CHECK(says(refused.err, "CLOUDOS_LOG_LEVEL: needs "));
  CHECK(cloudos_config({"check", "--config", "/no/such.conf"}).code == 2);
  CHECK(cloudos_config({"check", good}).code == 0);
  CHECK(says(cloudos_config({"check", bad}).err, "bad.conf:3: "));
  CHECK(says(cloudos_config({"show", good}).out, "data_dir = "));
  CHECK(cloudos_config({"check", good, "--config", good}).code == 2);
}

TEST_CASE("config show prints what the file sets, and with --effective everything and its source") {
  TempDir dir;
  const std::string file =
      dir.file("c.conf", "[cloud]\ndata_dir = /d\nadmin_password = open-sesame\n");
  const Variables variables = {{"CLOUDOS_LOG_LEVEL", "debug"}};
  const Ran plain = cloudos_config({"show", "--config", file}, variables);
  CHECK(plain.code == 0);
  CHECK(says(plain.out, "data_dir = /d\n"));
  CHECK_FALSE(says(plain.out, "io_threads"));
  CHECK_FALSE(says(plain.out, "debug"));
  const Ran effective = cloudos_config({"show", "--effective", "--config", file}, variables);
  CHECK(effective.code == 0);
  CHECK(says(effective.out, "# CLOUDOS_LOG_LEVEL\nlevel = debug\n"));
  CHECK(says(effective.out, "# default\nio_threads = 2\n"));
  CHECK_FALSE(says(plain.out + effective.out, "open-sesame"));
}

TEST_CASE("config sample writes a file that config check takes") {
  TempDir dir;
  const Ran sample = cloudos_config({"sample"});
  CHECK(sample.code == 0);
  const std::string file = dir.file("s.conf", sample.out);
  CHECK(cloudos_config({"check", "--config", file}, {{"CLOUDOS_CLOUD_DATA_DIR", "/d"}}).code == 0);
}

TEST_CASE("config import makes a good file of others', and a report without their secrets") {
  TempDir dir;
  const std::string nova = dir.file("nova.conf",
                                    "[DEFAULT]\ntransport_url = rabbit://u:s3cret@h\ndebug=1\n"
                                    "[libvirt]\nvirt_type = qemu\n[new]\nthing = 1\n");
  const std::string other = dir.file("other.conf", "[token]\nexpiration = 7200\n");
  const std::string output = (dir.path() / "cloudos.conf").string();
  const Ran made = cloudos_config({"import", nova, "keystone:" + other, "--output", output});
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  CHECK(made.out.empty());
  CHECK(cloudos_config({"check", "--config", output}).code == 0);
  CHECK(says(text_of(output), "virt_type = qemu\n"));
  CHECK(says(text_of(output), "token_lifetime = 2h\n"));
  CHECK(says(made.err, "[libvirt] virt_type  ->  [hypervisor] virt_type = qemu"));
  CHECK(says(made.err, "there is no message bus"));
  CHECK(says(made.err, "nova.conf:7 [new] thing"));
  CHECK_FALSE(says(made.err + text_of(output), "s3cret"));

  const Ran again = cloudos_config({"import", nova, "--output", output});
  CHECK(again.code == 2);
  CHECK(says(again.err, "is there already"));
  const Ran unnamed = cloudos_config({"import", other});
  CHECK(unnamed.code == 2);
  CHECK(says(unnamed.err, "Put nova:, neutron:, keystone: or glance: in front"));
  const Ran korean = cloudos_config({"import", nova}, {{"LC_ALL", "ko_KR.UTF-8"}});
  CHECK(says(korean.err, "  - 메시지 버스가 없습니다."));
  CHECK_FALSE(says(korean.err, "there is no message bus"));
  const Ran plain = cloudos_config({"import", nova});
  CHECK(plain.code == 0);
  CHECK(says(plain.out, "virt_type = qemu\n"));
}

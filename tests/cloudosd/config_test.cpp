#include "managed.hpp"

using namespace managed_test;

namespace {

Ran run_cloudosd(std::vector<std::string> words, const Variables& variables = {}) {
  words.insert(words.begin(), CLOUDOSD_PROGRAM);
  return run_program(std::move(words), variables);
}

}  // namespace

TEST_CASE("--check-config says everything that is wrong at once, and changes nothing") {
  TempDir dir;
  const std::string good =
      dir.file("good.conf", "[cloud]\ndata_dir = data\n[log]\nlevel = info, tasks=debug\n");
  const std::string bad =
      dir.file("bad.conf", "[cloud]\nworkers = none\n[lgo]\n[log]\nlevle = debug\nformat = xml\n");
  const std::string taken = dir.file("taken.conf", "[cloud]\ndata_dir = good.conf\n");
  const std::string pem = dir.file("no.pem", "this is no certificate\n");
  const std::string tls =
      dir.file("tls.conf", "[cloud]\ndata_dir = data\n[tls]\ncertificate = no.pem\nkey = no.pem\n");
  const std::string places =
      dir.file("places.conf",
               "[cloud]\ndata_dir = data\nlocale_dir = nowhere\nworkers = none\n[log]\n"
               "file = /no/such/folder/log\n[image]\nweb_allowed_hosts = *.org\n"
               "web_allowed_networks = all\nweb_denied_networks = 10.0.0.0/99\n"
               "web_ca_file = no.crt\n");
  struct Row {
    std::string what;
    std::vector<std::string> words;
    int code;
    std::vector<std::string> says;
  };
  const Row rows[] = {
      {"places of all kinds",
       {"--config", places},
       2,
       {"places.conf:3: cannot read the folder", "places.conf:4: workers needs a number",
        "places.conf:6: The log /no/such/folder/log cannot be opened",
        "places.conf:8: '*.org' is no host", "places.conf:9: 'all' is no network",
        "places.conf:10: '10.0.0.0/99' is no network", "no.crt: No such file"}},
      {"good", {"--config", good}, 0, {}},
      {"bad",
       {"--config", bad},
       2,
       {"bad.conf:2: workers needs a number", "bad.conf:3: there is no section [lgo]",
        "bad.conf:5: [log] has no key 'levle'. Did you mean 'level'?",
        "bad.conf:6: format needs text or json", "--data-dir DIR is required"}},
      {"no such file", {"--config", "/no/such.conf"}, 2, {"/no/such.conf is not there"}},
      {"a folder as the file", {"--config", dir.path().string()}, 2, {"is a folder"}},
      {"the data folder is a file", {"--config", taken}, 2, {"taken.conf:2: ", "is not a folder"}},
      {"no certificate", {"--config", tls}, 2, {"tls.conf:4: "}},
      {"flags count too", {"--config", good, "--hosts", "3"}, 2, {"--hosts N is for --simulated"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    auto words = row.words;
    words.insert(words.begin(), "--check-config");
    const Ran ran = run_cloudosd(words);
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK(ran.out.empty());
    for (const std::string& text : row.says) {
      CAPTURE(text);
      CHECK(ran.err.find(text) != std::string::npos);
    }
    CHECK(ran.err.empty() == row.says.empty());
  }
  CHECK_FALSE(std::filesystem::exists(dir.path() / "data"));
}

TEST_CASE("a bad configuration keeps the program from starting") {
  TempDir dir;
  const std::string bad = dir.file("bad.conf", "[cloud]\ndata_dir = data\nwrokers = 3\n");
  const Ran ran = run_cloudosd({"--config", bad});
  CHECK(ran.code == 2);
  CHECK(ran.err.find("bad.conf:3: [cloud] has no key 'wrokers'") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(dir.path() / "data"));
}

TEST_CASE("--show-config tells where each value is from, and hides secrets") {
  TempDir dir;
  const std::string file =
      dir.file("c.conf", "[cloud]\ndata_dir = data\nworkers = 3\nadmin_password = open-sesame\n");
  const Ran ran = run_cloudosd({"--config", file, "--show-config", "--log-level", "debug"},
                               {{"CLOUDOS_SERVER_IO_THREADS", "5"}});
  CAPTURE(ran.out);
  CHECK(ran.code == 0);
  CHECK(ran.out.find("# " + file + ":3\nworkers = 3\n") != std::string::npos);
  CHECK(ran.out.find("# CLOUDOS_SERVER_IO_THREADS\nio_threads = 5\n") != std::string::npos);
  CHECK(ran.out.find("# --log-level\nlevel = debug\n") != std::string::npos);
  CHECK(ran.out.find("# default\nvirt_type = auto\n") != std::string::npos);
  CHECK((ran.out + ran.err).find("open-sesame") == std::string::npos);
}

TEST_CASE("--sample-config is a file that cloudosd takes") {
  TempDir dir;
  const Ran sample = run_cloudosd({"--sample-config"});
  CHECK(sample.code == 0);
  const std::string file = dir.file("s.conf", sample.out);
  CHECK(run_cloudosd({"--config", file, "--check-config", "--data-dir", "d"}).code == 0);
}

TEST_CASE("a cloud runs with what its file and its environment say") {
  Managed cloud("level = debug\nformat = json\n",
                {{"CLOUDOS_CLOUD_PUBLIC_URL", "http://cloud.example:8774"},
                 {"CLOUDOS_CLOUD_ADMIN_PASSWORD", "never-to-be-seen"}});
  const std::string line = cloud.process->read_line();
  CHECK(line.find("ready at http://cloud.example:8774, data folder " +
                  (cloud.dir.path() / "data").string()) != std::string::npos);
  CHECK(text_of(cloud.dir.path() / "data" / "clouds.yaml").find("never-to-be-seen") !=
        std::string::npos);
  CHECK(cloud.stop() == 0);
  const std::string log = cloud.log();
  CAPTURE(log);
  CHECK(log.find("\"room\":\"cloudosd\"") != std::string::npos);
  // Which program, where it listens indeed, and on what.
  CHECK(log.find(" answers at http://127.0.0.1:") != std::string::npos);
  CHECK(log.find(", data folder " + (cloud.dir.path() / "data").string()) != std::string::npos);
  CHECK(log.find("never-to-be-seen") == std::string::npos);
}

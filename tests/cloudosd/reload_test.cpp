#include "cloudosd/reload.hpp"

#include "managed.hpp"

using namespace managed_test;

namespace {

/// Logs in; from issued to expired, in seconds.
long lifetime_of_a_token(std::uint16_t port) {
  const std::string body =
      R"({"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin",)"
      R"("domain":{"id":"default"},"password":"a-b-c-d"}}}}})";
  RawConnection client(port);
  client.send(
      "POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: a\r\nContent-Type: "
      "application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto reply = client.read_reply();
  CAPTURE(reply.body);
  CHECK(reply.status == 201);
  const auto time_of = [&](const std::string& name) {
    const auto at = reply.body.find("\"" + name + "\"");
    REQUIRE(at != std::string::npos);
    std::tm parts{};
    REQUIRE(::strptime(reply.body.c_str() + reply.body.find('"', at + name.size() + 2) + 1,
                       "%Y-%m-%dT%H:%M:%S", &parts) != nullptr);
    return static_cast<long>(::timegm(&parts));
  };
  return time_of("expires_at") - time_of("issued_at");
}

}  // namespace

TEST_CASE("SIGHUP applies what can be applied and names what needs a restart") {
  Managed cloud("level = error\n");
  const std::uint16_t port = cloud.ready();
  CHECK(cloud.log().empty());
  cloud.configure("level = info\nformat = json\nfile = other.log\n");
  const std::string news = cloud.reload();
  CAPTURE(news);
  // That it is there says that the level is in force, how it looks that the format is.
  CHECK(news.find("\"message\":\"configuration reloaded\"") != std::string::npos);
  CHECK(status_of(port, "/healthz") == 200);
  // Said again at each reload until the restart.
  CHECK(cloud.reload().find("[log] file needs a restart") != std::string::npos);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("a bad file leaves everything as it was and all of it is in the log") {
  Managed cloud("level = info\n");
  const std::uint16_t port = cloud.ready();
  cloud.configure("level = loud\nformat = json\nfromat = json\n");
  const std::string news = cloud.reload();
  CAPTURE(news);
  CHECK(news.find("configuration not reloaded: " + cloud.file() + ":12: level needs") !=
        std::string::npos);
  CHECK(news.find(cloud.file() + ":14: [log] has no key 'fromat'. Did you mean 'format'?") !=
        std::string::npos);
  CHECK(news.find("2 errors in the configuration; the one from before stays in force") !=
        std::string::npos);
  CHECK(news.find("{\"") == std::string::npos);
  std::filesystem::remove(cloud.file());
  CHECK(cloud.reload().find("is not there") != std::string::npos);
  CHECK(status_of(port, "/healthz") == 200);
  cloud.configure("format = json\n");
  CHECK(cloud.reload().find("configuration reloaded") != std::string::npos);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("the log's file is opened anew, so that it can be rotated") {
  Managed cloud("file = cloudos.log\n");
  (void)cloud.ready();
  const auto path = cloud.dir.path() / "cloudos.log";
  std::filesystem::rename(path, cloud.dir.path() / "cloudos.log.1");
  cloud.process->signal(SIGHUP);
  CHECK(becomes([&] { return text_of(path).find("configuration reloaded") != std::string::npos; }));
  CHECK(cloud.stop() == 0);
  CHECK(text_of(path).find("stopping") != std::string::npos);
  CHECK(text_of(cloud.dir.path() / "cloudos.log.1").find("stopping") == std::string::npos);
}

TEST_CASE("SIGUSR1 writes what the cloud is doing, whatever the level, and nothing stops") {
  Managed cloud("level = error\n");
  const std::uint16_t port = cloud.ready();
  cloud.process->signal(SIGUSR1);
  CHECK(becomes([&] { return cloud.log().find("executor:") != std::string::npos; }));
  CHECK(cloud.log().find("cloud: folder") != std::string::npos);
  CHECK(status_of(port, "/healthz") == 200);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("the most connections follow a reload") {
  Managed cloud("level = info\n");
  (void)cloud.ready();
  for (const std::string most : {"40", "20", "60"}) {
    cloud.configure("level = info\n[server]\nconnections = " + most + "\n");
    CHECK(cloud.reload().find("configuration reloaded") != std::string::npos);
    cloud.process->signal(SIGUSR1);
    CHECK(becomes([&] { return cloud.log().find(" of " + most) != std::string::npos; }));
  }
  CHECK(cloud.stop() == 0);
}

TEST_CASE("the lifetime of tokens follows a reload, longer and shorter") {
  Managed cloud("level = info\n", {{"CLOUDOS_CLOUD_ADMIN_PASSWORD", "a-b-c-d"}});
  const std::uint16_t port = cloud.ready();
  CHECK(lifetime_of_a_token(port) == 3'600);
  for (const auto& [text, seconds] : {std::pair{"2m", 120}, std::pair{"5h", 18'000}}) {
    cloud.configure("level = info\n[identity]\ntoken_lifetime = " + std::string(text) + "\n");
    CHECK(cloud.reload().find("configuration reloaded") != std::string::npos);
    CHECK(lifetime_of_a_token(port) == seconds);
  }
  // What retired keys are kept for grew with it: no token outlives its key.
  CHECK(text_of(cloud.dir.path() / "data" / "keys" / "tokens").find("lifetime 18000") !=
        std::string::npos);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("a certificate that comes or goes needs a restart, and the log says so") {
  Managed cloud("level = info\n");
  (void)cloud.ready();
  const auto file = [&](const std::string& name) { return (cloud.dir.path() / name).string(); };
  const Ran made = run_program({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("a.key"),
                                "-out", file("a.crt"), "-days", "2", "-subj", "/CN=localhost"});
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  cloud.configure("level = info\n[tls]\ncertificate = a.crt\nkey = a.key\n");
  const std::string news = cloud.reload();
  CAPTURE(news);
  CHECK(news.find("the certificate not reloaded, what was there stays in force: no address speaks "
                  "https before the restart") != std::string::npos);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("a policy with an error changes nothing, a good one holds at once") {
  TempDir dir;
  const std::string file = dir.file("policy.yaml", "\"identity:get_user\": \"role:admin\"\n");
  Managed cloud("level = info\n", {{"CLOUDOS_IDENTITY_POLICY_FILE", file}});
  const std::uint16_t port = cloud.ready();
  (void)dir.file("policy.yaml", "\"identity:get_user\": \"role:admin and\"\n");
  CHECK(cloud.reload().find("configuration not reloaded: CLOUDOS_IDENTITY_POLICY_FILE: ") !=
        std::string::npos);
  (void)dir.file("policy.yaml", "\"identity:get_user\": \"!\"\n");
  CHECK(cloud.reload().find("configuration reloaded") != std::string::npos);
  CHECK(status_of(port, "/healthz") == 200);
  CHECK(cloud.stop() == 0);
}

TEST_CASE("a part that cannot be reloaded keeps what it had; the others go on") {
  TempDir dir;
  std::vector<std::string> lines;
  std::mutex mutex;
  const cloudos::Log log(
      [&](const cloudos::LogRecord& record) {
        const std::lock_guard lock(mutex);
        lines.emplace_back(record.message);
      },
      "cloudosd");
  cloudosd::Invocation invocation;
  invocation.config_file = dir.file("c.conf", "[cloud]\ndata_dir = d\n[log]\nlevel = debug\n");
  const auto started = cloudosd::load_settings(invocation, {}).settings;
  cloudosd::Reloader reloader(invocation, started, log);
  bool works = false;
  std::string seen;
  reloader.add("the broken part", {"log"}, [&](const auto&) -> cloudos::Result<void> {
    if (works) return cloudos::Result<void>();
    return cloudos::fail(cloudos::ErrorCode::Unavailable, "it is out");
  });
  reloader.add("the good part", {"tls"}, [&](const cloudos::config::Settings& next) {
    seen = next.text("log", "level");
    return cloudos::Result<void>();
  });
  (void)dir.file("c.conf", "[cloud]\ndata_dir = e\n[log]\nlevel = error\n");
  CHECK_FALSE(reloader.reload());
  CHECK(seen == "error");
  CHECK(reloader.now().text("log", "level") == "debug");
  CHECK(reloader.now().text("cloud", "data_dir").ends_with("/d"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("[cloud] data_dir needs a restart") == 0);
  CHECK(lines[1] == "the broken part not reloaded, what was there stays in force: it is out");
  works = true;
  CHECK(reloader.reload());
  CHECK(reloader.now().text("log", "level") == "error");
  CHECK(reloader.now().text("cloud", "data_dir").ends_with("/d"));
}

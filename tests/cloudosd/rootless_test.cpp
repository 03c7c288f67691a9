#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/program.hpp"

using namespace program_test;
using nlohmann::json;

namespace {

constexpr const char* kNobody = "65534";

/// How to start a program as a user without any right; as ourselves when we are no root.
std::vector<std::string> without_rights() {
  if (::geteuid() != 0) return {};
  return {"/usr/bin/setpriv",
          std::string("--reuid=") + kNobody,
          std::string("--regid=") + kNobody,
          "--clear-groups",
          "--no-new-privs",
          "--inh-caps=-all",
          "--bounding-set=-all"};
}

/// A folder which that user owns, with a copy of the program that it can reach.
struct Corner {
  TempDir dir;
  std::string program;
  Corner() {
    program = (dir.path() / "cloudosd").string();
    std::filesystem::copy_file(CLOUDOSD_PROGRAM, program);
    std::filesystem::create_directory(dir.path() / "home");
    if (::geteuid() == 0)
      for (const auto& path : {dir.path(), dir.path() / "home"})
        REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
  }
  std::string path(const std::string& name) const { return (dir.path() / "home" / name).string(); }
};

/// Keeps every processor busy three times over.
class Busy {
 public:
  Busy() {
    for (unsigned i = 0; i < 3 * std::max(1U, std::thread::hardware_concurrency()); ++i)
      threads_.emplace_back([this] {
        while (!over_) continue;
      });
  }
  ~Busy() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

struct Reply {
  int status = 0;
  std::string head, text;
};

Reply ask(std::uint16_t port, const std::string& method, const std::string& path,
          const std::string& token = {}, const std::string& body = {},
          const std::string& type = "application/json") {
  RawConnection connection(port);
  std::string head = method + " " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
  if (!token.empty()) head += "X-Auth-Token: " + token + "\r\n";
  if (!body.empty())
    head += "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  connection.send(head + "\r\n" + body);
  auto reply = connection.read_reply();
  return {reply.status, std::move(reply.head), std::move(reply.body)};
}

std::string login(std::uint16_t port, const std::string& password) {
  const json request = {
      {"auth",
       {{"identity",
         {{"methods", {"password"}},
          {"password",
           {{"user",
             {{"name", "admin"}, {"domain", {{"id", "default"}}}, {"password", password}}}}}}},
        {"scope", {{"project", {{"name", "admin"}, {"domain", {{"id", "default"}}}}}}}}}};
  const auto reply = ask(port, "POST", "/identity/v3/auth/tokens", {}, request.dump());
  CAPTURE(reply.text);
  REQUIRE(reply.status == 201);
  const auto at = reply.head.find("X-Subject-Token: ");
  REQUIRE(at != std::string::npos);
  return reply.head.substr(at + 17, reply.head.find('\r', at) - at - 17);
}

}  // namespace

TEST_CASE("a user without any right runs identity, images and simulated servers") {
  Corner corner;
  auto words = without_rights();
  std::ofstream(corner.path("password")) << "a password\n";
  if (::geteuid() == 0) REQUIRE(::chown(corner.path("password").c_str(), 65534, 65534) == 0);
  words.insert(words.end(),
               {corner.program, "--data-dir", corner.path("data"), "--listen", "127.0.0.1:0",
                "--simulated", "--admin-password-file", corner.path("password")});
  const auto log = corner.dir.path() / "log";
  Program program(words, log);
  const std::string line = program.read_line();
  const std::string said = line + text_of(log);
  CAPTURE(said);
  const auto at = line.find("http://127.0.0.1:");
  REQUIRE(at != std::string::npos);
  const auto port = static_cast<std::uint16_t>(std::atoi(line.c_str() + at + 17));

  // Also on a machine that guests keep busy: nobody without rights can be raised from the last place.
  const std::string token = [&] {
    const Busy busy;
    return login(port, "a password");
  }();
  const auto image = ask(port, "POST", "/image/v2/images", token,
                         R"({"name":"i","disk_format":"raw","container_format":"bare"})");
  REQUIRE(image.status == 201);
  const std::string image_id = json::parse(image.text)["id"];
  CHECK(ask(port, "PUT", "/image/v2/images/" + image_id + "/file", token, std::string(100'000, 'x'),
            "application/octet-stream")
            .status == 204);
  const json server = {
      {"server",
       {{"name", "vm"}, {"imageRef", image_id}, {"flavorRef", "42"}, {"networks", json::array()}}}};
  const auto made = ask(port, "POST", "/compute/v2.1/servers", token, server.dump());
  CAPTURE(made.text);
  REQUIRE(made.status == 202);
  const std::string path =
      "/compute/v2.1/servers/" + json::parse(made.text)["server"]["id"].get<std::string>();
  std::string status;
  for (int i = 0; i < 200 && status != "ACTIVE"; ++i) {
    status = json::parse(ask(port, "GET", path, token).text)["server"]["status"];
    if (status != "ACTIVE") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(status == "ACTIVE");
  CHECK(ask(port, "GET", "/readyz").status == 200);
  program.signal(SIGTERM);
  CHECK(program.wait() == 0);
  // All that it made is its own, and nobody else's to read.
  const auto status_of_folder = std::filesystem::status(corner.path("data"));
  CHECK((status_of_folder.permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
}

TEST_CASE("without root the bridges are refused in words that name the way out") {
  Corner corner;
  auto words = without_rights();
  words.insert(words.end(), {corner.program, "--data-dir", corner.path("data"), "--listen",
                             "127.0.0.1:0", "--virt-type", "qemu"});
  const Ran ran = run_program(words);
  CAPTURE(ran.err);
  CHECK(ran.code == 1);
  CHECK(ran.err.find("CAP_NET_ADMIN") != std::string::npos);
  CHECK(ran.err.find("user") != std::string::npos);
}

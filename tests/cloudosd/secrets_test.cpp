#include <nlohmann/json.hpp>

#include "support/program.hpp"

using namespace program_test;
using nlohmann::json;

namespace {

/// A client that remembers every secret which it sends or gets.
class Session {
 public:
  explicit Session(Cloudosd& server) : server_(server) {}

  struct Answer {
    int status = 0;
    std::string head, text;
    json body() const { return json::parse(text, nullptr, false); }
  };
  Answer call(const std::string& method, const std::string& path, const std::string& body = {},
              const std::string& more = {}) {
    RawConnection connection(server_.port);
    std::string head = method + " " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + more;
    if (!token.empty()) head += "X-Auth-Token: " + token + "\r\n";
    if (!body.empty())
      head += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n";
    connection.send(head + "\r\n" + body);
    auto reply = connection.read_reply();
    return {reply.status, std::move(reply.head), std::move(reply.body)};
  }
  std::string keep(std::string secret) {
    REQUIRE(secret.size() >= 8);
    secrets.push_back(secret);
    return secret;
  }
  Answer login(const std::string& user, const std::string& password, const std::string& project) {
    const json request = {
        {"auth",
         {{"identity",
           {{"methods", {"password"}},
            {"password",
             {{"user",
               {{"name", user}, {"domain", {{"id", "default"}}}, {"password", password}}}}}}},
          {"scope", {{"project", {{"name", project}, {"domain", {{"id", "default"}}}}}}}}}};
    token.clear();
    auto answer = call("POST", "/identity/v3/auth/tokens", request.dump());
    const auto at = answer.head.find("X-Subject-Token: ");
    if (at != std::string::npos)
      token = keep(answer.head.substr(at + 17, answer.head.find('\r', at) - at - 17));
    return answer;
  }
  /// Asks until it is so, for at most twenty seconds.
  bool until(const std::string& path, const std::string& text) {
    for (int i = 0; i < 200; ++i) {
      if (call("GET", path).text.find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  std::string token;
  std::vector<std::string> secrets;

 private:
  Cloudosd& server_;
};

/// Users whose passwords change, are mistyped and are sent in bodies that do not parse.
void handle_passwords(Session& session) {
  const std::string first = session.keep("first-password-of-ann"),
                    second = session.keep("second-password-of-ann"),
                    wrong = session.keep("a-mistyped-password");
  const json user = {{"user", {{"name", "ann"}, {"password", first}}}};
  const auto made = session.call("POST", "/identity/v3/users", user.dump());
  REQUIRE(made.status == 201);
  const std::string id = made.body()["user"]["id"];
  const json change = {{"user", {{"original_password", first}, {"password", second}}}};
  CHECK(session.call("POST", "/identity/v3/users/" + id + "/password", change.dump()).status ==
        204);
  const std::string admin = session.token;
  CHECK(session.login("ann", wrong, "admin").status == 401);
  session.token = admin;
  CHECK(session
            .call("POST", "/identity/v3/users",
                  R"({"user": {"name": "bob", "password": ")" + wrong + "\"")
            .status == 400);
  CHECK(session
            .call("POST", "/identity/v3/users",
                  R"({"user": {"name": 7, "password": ")" + wrong + "\"}}")
            .status == 400);
  CHECK(session.call("GET", "/identity/v3/users?password=" + wrong).status != 0);
  CHECK(session.call("GET", "/identity/v3/auth/tokens", {}, "X-Subject-Token: " + admin + "\r\n")
            .status == 200);
  session.call("GET", "/identity/v3/auth/tokens", {},
               "X-Subject-Token: " + session.keep("gAAAAA-not-a-token-but-secret") + "\r\n");
}

/// A server with user data, an admin password and a key pair that was made for the caller.
void handle_server(Session& session) {
  const auto image = session.call("POST", "/image/v2/images",
                                  R"({"name":"i","disk_format":"raw","container_format":"bare"})");
  REQUIRE(image.status == 201);
  const std::string image_id = image.body()["id"];
  REQUIRE(session
              .call("PUT", "/image/v2/images/" + image_id + "/file", "payload",
                    "Content-Type: application/octet-stream\r\n")
              .status >= 200);
  const auto network =
      session.call("POST", "/network/v2.0/networks", R"({"network":{"name":"n"}})");
  REQUIRE(network.status == 201);
  const std::string network_id = network.body()["network"]["id"];
  const json subnet = {
      {"subnet", {{"network_id", network_id}, {"cidr", "10.0.0.0/24"}, {"ip_version", 4}}}};
  REQUIRE(session.call("POST", "/network/v2.0/subnets", subnet.dump()).status == 201);
  const auto key = session.call("POST", "/compute/v2.1/os-keypairs", R"({"keypair":{"name":"k"}})");
  if (key.status == 200 && key.body()["keypair"].contains("private_key")) {
    std::stringstream text(key.body()["keypair"]["private_key"].get<std::string>());
    for (std::string line; std::getline(text, line);)
      if (line.size() >= 16 && line.find("-----") == std::string::npos) session.keep(line);
  }
  // "#!/bin/sh\necho hidden-in-user-data\n"
  const std::string user_data = session.keep("IyEvYmluL3NoCmVjaG8gaGlkZGVuLWluLXVzZXItZGF0YQo=");
  session.keep("hidden-in-user-data");
  const json server = {{"server",
                        {{"name", "vm"},
                         {"imageRef", image_id},
                         {"flavorRef", "42"},
                         {"user_data", user_data},
                         {"adminPass", session.keep("chosen-admin-pass")},
                         {"networks", {{{"uuid", network_id}}}}}}};
  const auto made = session.call("POST", "/compute/v2.1/servers", server.dump());
  CAPTURE(made.text);
  REQUIRE(made.status == 202);
  const auto body = made.body()["server"];
  if (body.contains("adminPass")) session.keep(body["adminPass"]);
  const std::string path = "/compute/v2.1/servers/" + body["id"].get<std::string>();
  CHECK(session.until(path, "\"ACTIVE\""));
  CHECK(session.call("DELETE", path).status == 204);
  CHECK(session.until(path, "itemNotFound"));
}

std::string id_of(const json& body) { return body.is_object() ? body.value("id", "") : ""; }

/// Whatever else opens doors: secrets of programs, keys to sign with, passcodes, directories'.
void handle_delegation(Session& session) {
  const std::string v3 = "/identity/v3";
  const auto mine = session.call("GET", v3 + "/auth/tokens", {},
                                 "X-Subject-Token: " + session.token + "\r\n");
  REQUIRE(mine.status == 200);
  const std::string user = mine.body()["token"]["user"]["id"],
                    project = mine.body()["token"]["project"]["id"];

  const std::string chosen = session.keep("secret-of-a-program");
  const auto credential = session.call(
      "POST", v3 + "/users/" + user + "/application_credentials",
      json{{"application_credential", {{"name", "robot"}, {"secret", chosen}}}}.dump());
  REQUIRE(credential.status == 201);
  const std::string admin = session.token;
  for (const std::string& secret : {chosen, session.keep("another-secret-of-a-program")}) {
    session.token.clear();
    const json login = {
        {"auth",
         {{"identity",
           {{"methods", {"application_credential"}},
            {"application_credential",
             {{"id", id_of(credential.body()["application_credential"])},
              {"secret", secret}}}}}}}};
    const auto answer = session.call("POST", v3 + "/auth/tokens", login.dump());
    CHECK(answer.status == (secret == chosen ? 201 : 401));
    const auto at = answer.head.find("X-Subject-Token: ");
    if (at != std::string::npos)
      session.keep(answer.head.substr(at + 17, answer.head.find('\r', at) - at - 17));
  }
  session.token = admin;

  const auto key = session.call("POST", v3 + "/users/" + user + "/credentials/OS-EC2",
                                json{{"tenant_id", project}}.dump());
  REQUIRE(key.status == 201);
  session.keep(key.body()["credential"]["secret"]);
  const json signed_request = {
      {"credentials",
       {{"access", key.body()["credential"]["access"]},
        {"signature", session.keep("a-signature-that-does-not-hold")},
        {"host", "a"},
        {"verb", "GET"},
        {"path", "/"},
        {"params", {{"SignatureVersion", "2"}, {"Timestamp", "2026-01-01T00:00:00Z"}}}}}};
  CHECK(session.call("POST", v3 + "/ec2tokens", signed_request.dump()).status >= 400);
  const json totp = {{"credential",
                      {{"type", "totp"},
                       {"blob", session.keep("GEZDGNBVGY3TQOJQGEZDGNBVGY")},
                       {"user_id", user}}}};
  CHECK(session.call("POST", v3 + "/credentials", totp.dump()).status == 201);
  const auto consumer = session.call("POST", v3 + "/OS-OAUTH1/consumers",
                                     R"({"consumer": {"description": "c"}})");
  REQUIRE(consumer.status == 201);
  session.keep(consumer.body()["consumer"]["secret"]);
  const json config = {
      {"config", {{"ldap", {{"url", "ldap://d"}, {"password", session.keep("of-a-directory")}}}}}};
  CHECK(session.call("PUT", v3 + "/domains/default/config", config.dump()).status < 300);
  CHECK(session.call("POST", v3 + "/OS-CLOUDOS/none", json{{"secret", chosen}}.dump()).status ==
        404);
}

}  // namespace

TEST_CASE("the log of a whole session at its most talkative holds none of its secrets") {
  TempDir dir;
  const std::string password = "the-first-password-of-the-admin";
  for (const std::string& format : {std::string("text"), std::string("json")}) {
    CAPTURE(format);
    Cloudosd server(CLOUDOSD_PROGRAM,
                    {"--log-level", "debug", "--log-format", format, "--admin-password-file",
                     dir.file("password", password + "\n")});
    Session session(server);
    session.keep(password);
    REQUIRE(session.login("admin", password, "admin").status == 201);
    handle_passwords(session);
    handle_delegation(session);
    handle_server(session);
    server.process().signal(SIGUSR1);  // The dump goes to the log, too.
    const std::string admin = session.token;
    CHECK(
        session.call("DELETE", "/identity/v3/auth/tokens", {}, "X-Subject-Token: " + admin + "\r\n")
            .status == 204);
    CHECK(session.call("GET", "/compute/v2.1/servers").status == 401);
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(server.data_dir() / "keys"))
      if (entry.is_regular_file()) {
        const std::string text = text_of(entry.path());
        if (text.size() >= 16 && text.size() < 4'096) session.keep(text.substr(0, text.find('\n')));
      }
    server.process().signal(SIGTERM);
    CHECK(server.process().wait() == 0);

    const std::string log = server.log();
    CHECK(log.size() > 2'000);
    CHECK(log.find("create-server") != std::string::npos);  // It was talkative.
    CHECK(session.secrets.size() >= 20);
    for (const std::string& secret : session.secrets) {
      CAPTURE(secret);
      const auto at = log.find(secret);
      const std::string around =
          at == std::string::npos ? "" : log.substr(at > 200 ? at - 200 : 0, 400);
      CAPTURE(around);
      CHECK(at == std::string::npos);
    }
  }
}

#include "support/program.hpp"

using namespace program_test;

namespace {

std::string get_request(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}

std::string post_head(const std::string& path, const std::string& more) {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}

/// A number of /proc/<pid>/status: "Threads", "RssAnon" (KiB).
long process_status(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.substr(0, name.size() + 1) == name + ":")
      return std::atol(line.c_str() + name.size() + 1);
  return -1;
}

Cloudosd& shared_cloudosd() {
  static Cloudosd server(CLOUDOSD_PROGRAM);
  return server;
}

}  // namespace

TEST_CASE("malformed requests get one clear refusal and the end of the connection") {
  Cloudosd& server = shared_cloudosd();
  const std::string tokens = "/identity/v3/auth/tokens";
  struct Row {
    std::string what;
    std::string bytes;
    int status;
  };
  const Row rows[] = {
      {"length and chunked",
       post_head(tokens, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
      {"two lengths", post_head(tokens, "Content-Length: 3\r\nContent-Length: 30\r\n") + "{}\n",
       400},
      {"folded field", get_request("/", "X: a\r\n b\r\n"), 400},
      {"blank before colon", get_request("/", "Content-Length : 0\r\n"), 400},
      {"negative chunk",
       post_head(tokens, "Transfer-Encoding: chunked\r\n") + "-1\r\nx\r\n0\r\n\r\n", 400},
      {"chunk of words", post_head(tokens, "Transfer-Encoding: chunked\r\n") + "zz\r\n", 400},
      {"chunk extension without end",
       post_head(tokens, "Transfer-Encoding: chunked\r\n") + "1;" + std::string(100'000, 'x'), 400},
      {"lines that end in LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"not HTTP", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"long URL", get_request("/" + std::string(20'000, 'a')), 414},
      {"URL without end", "GET /" + std::string(60'000, 'a'), 414},
      {"large header", get_request("/", "X: " + std::string(40'000, 'a') + "\r\n"), 431},
      {"header without end", "GET / HTTP/1.1\r\nX: " + std::string(60'000, 'a'), 431},
      {"many fields",
       [] {
         std::string fields;
         for (int i = 0; i < 1'000; ++i) fields += "A: b\r\n";
         return get_request("/", fields);
       }(),
       431},
      {"large body by its length", post_head(tokens, "Content-Length: 2000000\r\n"), 413},
      {"huge body by its length", post_head(tokens, "Content-Length: 999999999999999999\r\n"), 413},
      {"length beyond numbers", post_head(tokens, "Content-Length: 99999999999999999999999\r\n"),
       400},
      {"HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"other encoding", post_head(tokens, "Transfer-Encoding: gzip\r\n"), 501},
      {"other expectation", post_head(tokens, "Content-Length: 1\r\nExpect: miracles\r\n"), 417},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    RawConnection client(server.port);
    client.send(row.bytes);
    const auto reply = client.read_reply();
    CHECK(reply.status == row.status);
    CHECK(reply.has("Connection: close"));
    CHECK(reply.has("X-Openstack-Request-Id: req-"));
    client.finish();
    CHECK(client.ended_within(std::chrono::seconds(5)));
  }
}

TEST_CASE("a smuggled second request is never answered") {
  Cloudosd& server = shared_cloudosd();
  RawConnection client(server.port);
  client.send(post_head("/identity/v3/auth/tokens",
                        "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n") +
              "0\r\n\r\n" + get_request("/healthz"));
  CHECK(client.read_reply().status == 400);
  CHECK(client.read_reply().status == 0);
}

TEST_CASE("an endless chunked body is cut off at the limit") {
  Cloudosd& server = shared_cloudosd();
  RawConnection client(server.port);
  client.send(post_head("/identity/v3/auth/tokens", "Transfer-Encoding: chunked\r\n"));
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 32 && client.send(chunk); ++i) {
  }
  CHECK(client.read_reply().status == 413);
}

TEST_CASE("requests on one connection are answered in order, also when sent at once") {
  Cloudosd& server = shared_cloudosd();
  RawConnection client(server.port);
  std::string all;
  for (int i = 0; i < 50; ++i) all += get_request(i % 2 ? "/healthz" : "/nowhere");
  all += "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + get_request("/v3", "Connection: close\r\n");
  client.send(all);
  for (int i = 0; i < 50; ++i) CHECK(client.read_reply().status == (i % 2 ? 200 : 404));
  const auto head = client.read_reply(true);
  CHECK(head.status == 200);
  CHECK(head.has("Content-Length: 3"));
  const auto last = client.read_reply();
  CHECK(last.status == 200);
  CHECK(last.body.find("v3.14") != std::string::npos);
  CHECK(last.has("Connection: close"));
  client.finish();
  CHECK(client.ended_within(std::chrono::seconds(5)));
}

TEST_CASE("a request that comes byte by byte is understood") {
  Cloudosd& server = shared_cloudosd();
  RawConnection client(server.port);
  const std::string body = R"({"auth": {}})";
  const std::string all = post_head("/identity/v3/auth/tokens", "Transfer-Encoding: chunked\r\n") +
                          "4\r\n" + body.substr(0, 4) + "\r\n8\r\n" + body.substr(4) +
                          "\r\n0\r\n\r\n" + get_request("/healthz");
  for (const char c : all) client.send({&c, 1});
  CHECK(client.read_reply().status == 400);  // No identity in it: the service's own words.
  CHECK(client.read_reply().status == 200);
}

TEST_CASE("100-continue is sent when the body is wanted, and not before a refusal") {
  Cloudosd& server = shared_cloudosd();
  RawConnection wanted(server.port);
  wanted.send(
      post_head("/identity/v3/auth/tokens", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
  CHECK(wanted.read_reply().status == 100);
  wanted.send("{}");
  CHECK(wanted.read_reply().status == 400);
  RawConnection unwanted(server.port);
  unwanted.send(
      post_head("/identity/v3/auth/tokens", "Content-Length: 9000000\r\nExpect: 100-continue\r\n"));
  CHECK(unwanted.read_reply().status == 413);
  // An upload without a token is refused before its body is asked for.
  RawConnection upload(server.port);
  upload.send(
      "PUT /image/v2/images/0192f0c1-8a00-7000-8000-000000000001/file HTTP/1.1\r\nHost: a\r\n"
      "Content-Type: application/octet-stream\r\nContent-Length: 9000000\r\n"
      "Expect: 100-continue\r\n\r\n");
  CHECK(upload.read_reply().status == 401);
}

TEST_CASE("a thousand idle connections cost no thread and little memory") {
  // Few workers: they come with tasks and stay for a rest, and are not what is counted here.
  Cloudosd server(CLOUDOSD_PROGRAM, {"--workers", "4"});
  {
    RawConnection warm(server.port);
    warm.send(get_request("/healthz"));
    warm.read_reply();
  }
  const long memory = process_status(server.process().pid(), "RssAnon");
  std::vector<RawConnection> idle;
  for (int i = 0; i < 1'000; ++i) {
    idle.emplace_back(server.port);
    idle.back().send(get_request("/healthz"));
  }
  for (auto& client : idle) REQUIRE(client.read_reply().status == 200);
  CHECK(process_status(server.process().pid(), "Threads") < 16);
  if (program_test::kMeasuresMemory)
    CHECK(process_status(server.process().pid(), "RssAnon") - memory < 32 * 1024);
  for (auto& client : idle) client.send(get_request("/healthz"));
  for (auto& client : idle) CHECK(client.read_reply().status == 200);
}

TEST_CASE("SIGTERM and SIGINT end the server cleanly, also with connections open") {
  for (const int number : {SIGTERM, SIGINT}) {
    CAPTURE(number);
    Cloudosd server(CLOUDOSD_PROGRAM);
    RawConnection idle(server.port), half(server.port);
    idle.send(get_request("/healthz"));
    CHECK(idle.read_reply().status == 200);
    server.process().signal(number);
    CHECK(idle.ended_within(std::chrono::seconds(5)));
    CHECK(server.process().wait() == 0);
  }
}

TEST_CASE("a start that cannot succeed says why in one sentence") {
  Cloudosd& server = shared_cloudosd();
  TempDir dir;
  const std::string listen = "127.0.0.1:" + std::to_string(server.port);
  const std::string file = dir.file("file", "x");
  struct Row {
    std::string what;
    std::vector<std::string> words;
    int code;
    std::string says;
  };
  const Row rows[] = {
      {"port in use",
       {"--data-dir", (dir.path() / "a").string(), "--listen", listen, "--simulated"},
       1,
       "in use"},
      {"folder in use",
       {"--data-dir", server.data_dir().string(), "--listen", "127.0.0.1:0", "--simulated"},
       1,
       "in use by process"},
      {"folder is a file",
       {"--data-dir", file, "--listen", "127.0.0.1:0", "--simulated"},
       1,
       "cloudosd: "},
      {"no such address",
       {"--data-dir", (dir.path() / "a").string(), "--listen", "192.0.2.1:5000", "--simulated"},
       1,
       "--listen"},
      {"no password file",
       {"--data-dir", (dir.path() / "a").string(), "--listen", "127.0.0.1:0", "--simulated",
        "--admin-password-file", (dir.path() / "none").string()},
       1,
       "password"},
      {"usage", {"--nonsense"}, 2, "--help"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    std::vector<std::string> words = {CLOUDOSD_PROGRAM};
    words.insert(words.end(), row.words.begin(), row.words.end());
    const Ran ran = run_program(words);
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK(ran.out.empty());
    CHECK(ran.err.find(row.says) != std::string::npos);
    const auto at = ran.err.find("cloudosd: ");
    REQUIRE(at != std::string::npos);
    CHECK(ran.err.find('\n', at) == ran.err.size() - 1);
  }
  CHECK(run_program({CLOUDOSD_PROGRAM, "--help"}).code == 0);
  CHECK(run_program({CLOUDOSD_PROGRAM, "--version"}).out.substr(0, 9) == "cloudosd ");
}

TEST_CASE("the server answers on IPv6's loopback when told to") {
  TempDir dir;
  Program server({CLOUDOSD_PROGRAM, "--data-dir", (dir.path() / "d").string(), "--listen",
                  "[::1]:0", "--simulated"},
                 dir.path() / "log");
  const std::string line = server.read_line();
  CAPTURE(line);
  CHECK(line.find("ready at http://[::1]:") != std::string::npos);
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
}

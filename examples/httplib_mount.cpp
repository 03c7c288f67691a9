// A cloud's REST API within a program that runs a cpp-httplib server, beside routes of its own.
// Bodies of images stream both ways: no thread waits for them and none is held in memory.
#include <httplib.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "cloudos/cloud.hpp"
#include "cloudos/rest.hpp"

using namespace cloudos;

void send(rest::Response&& from, httplib::Response& to) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers.all())
    if (name != "Content-Type") to.set_header(name, value);
  const std::string type(from.headers.get("Content-Type"));
  if (const auto* text = std::get_if<std::string>(&from.body)) {
    if (!text->empty()) to.set_content(*text, type);
    return;
  }
  if (const auto* range = std::get_if<rest::FileRange>(&from.body)) {
    auto file = std::make_shared<std::ifstream>(range->path, std::ios::binary);
    to.set_content_provider(
        range->length, type,
        [file, begin = range->offset](std::size_t at, std::size_t length, httplib::DataSink& sink) {
          std::vector<char> piece(std::min<std::size_t>(length, 64 << 10));
          file->seekg(static_cast<std::streamoff>(begin + at));
          file->read(piece.data(), static_cast<std::streamsize>(piece.size()));
          return file->gcount() > 0 &&
                 sink.write(piece.data(), static_cast<std::size_t>(file->gcount()));
        });
    return;
  }
  std::shared_ptr source(std::move(std::get<std::unique_ptr<ByteSource>>(from.body)));
  to.set_chunked_content_provider(type, [source](std::size_t, httplib::DataSink& sink) {
    std::vector<std::byte> piece(64 << 10);
    const auto got = source->read(piece);
    if (got && *got == 0) sink.done();
    return got && (*got == 0 || sink.write(reinterpret_cast<const char*>(piece.data()), *got));
  });
}

void serve(const rest::Router& router, const httplib::Request& from, httplib::Response& to,
           const httplib::ContentReader* body) {
  rest::Request request;
  request.method = from.method;
  request.target = from.target;
  request.remote_address = from.remote_addr;
  request.base_url = "http://" + from.get_header_value("Host");
  for (const auto& [name, value] : from.headers)
    if (name != "Range") request.headers.add(name, value);  // httplib cuts ranges out itself.
  request.pushes_body =
      body && router.classify(from.method, from.target) == rest::RouteClass::Streams;
  std::string text;
  const std::size_t most = router.body_limit(from.method, from.target);
  if (body && !request.pushes_body) {
    (*body)([&](const char* data, std::size_t size) {
      text.append(data, std::min(size, most + 1 - text.size()));  // One more is too many: 413.
      return true;
    });
  }
  TextSource small(std::move(text));
  if (body && !request.pushes_body) request.body = &small;
  rest::Response response = router.handle(request);
  if (response.receiver) {
    Result<void> taken;
    const bool whole = (*body)([&](const char* data, std::size_t size) {
      taken = response.receiver->write(std::as_bytes(std::span(data, size)));
      return taken.has_value();
    });
    if (taken && !whole) taken = fail(ErrorCode::Unavailable, "the sender went away");
    response = router.end_body(request, std::move(response.receiver), std::move(taken));
  } else if (request.pushes_body) {
    (*body)([](const char*, std::size_t) { return true; });  // Refused: the rest is not wanted.
  }
  send(std::move(response), to);
}

void mount(httplib::Server& server, const rest::Router& router) {
  const char* paths = R"(/(identity|v3|compute|image|network)(/.*)?)";
  const auto plain = [&](const httplib::Request& from, httplib::Response& to) {
    serve(router, from, to, nullptr);
  };
  const auto with_body = [&](const httplib::Request& from, httplib::Response& to,
                             const httplib::ContentReader& body) {
    serve(router, from, to, &body);
  };
  server.Get(paths, plain).Delete(paths, plain).Delete(paths, with_body);
  server.Post(paths, with_body).Put(paths, with_body).Patch(paths, with_body);
}

/// What a client does: logs in, uploads an image in pieces, reads it back.
bool visit(httplib::Client&& client) {
  const auto login = client.Post("/identity/v3/auth/tokens", R"({"auth": {"identity": {"methods":
      ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"},
      "password": "a secret"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}
      }})",
                                 "application/json");
  if (!login || login->status != 201) return false;
  const httplib::Headers token{{"X-Auth-Token", login->get_header_value("X-Subject-Token")}};
  const auto made = client.Post(
      "/image/v2/images", token,
      R"({"name": "disk", "disk_format": "raw", "container_format": "bare"})", "application/json");
  if (!made || made->status != 201) return false;
  const std::string location = made->get_header_value("Location");
  const std::string file = location.substr(location.find("/image/")) + "/file";
  const std::size_t size = 8 << 20;
  const auto sent = client.Put(
      file, token, size,
      [](std::size_t, std::size_t length, httplib::DataSink& sink) {
        return sink.write(std::string(std::min<std::size_t>(length, 64 << 10), 'x').data(),
                          std::min<std::size_t>(length, 64 << 10));
      },
      "application/octet-stream");
  std::size_t back = 0;
  const auto got =
      client.Get(file, token, [&](const char*, std::size_t n) { return back += n, true; });
  const auto own = client.Get("/hello");
  std::printf("login %d, image %d, upload %d, download %d of %zu bytes, own route %d\n",
              login->status, made->status, sent ? sent->status : 0, got ? got->status : 0, back,
              own ? own->status : 0);
  return sent && sent->status == 204 && got && back == size && own && own->status == 200;
}

int main() {
  auto cloud = Cloud::open({.admin_password = "a secret", .password_cost = 4});
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  const rest::Router router(**cloud);
  httplib::Server server;
  server.Get("/hello",
             [](const auto&, httplib::Response& to) { to.set_content("hi", "text/plain"); });
  mount(server, router);
  server.set_tcp_nodelay(true);  // Else replies wait for the client's acknowledgement: 40 ms each.
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread listener([&] { server.listen_after_bind(); });
  httplib::Client client("127.0.0.1", port);
  client.set_tcp_nodelay(true);
  const bool well = visit(std::move(client));
  server.stop();
  listener.join();
  return well ? 0 : 1;
}

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "rest/json.hpp"
#include "verbs/recipes.hpp"

namespace cloudos::verbs {
namespace {

using nlohmann::json;

/// A file as a body.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : in_(path, std::ios::binary | std::ios::ate) {
    if (in_) size_ = static_cast<std::uint64_t>(in_.tellg());
    in_.seekg(0);
  }
  bool good() const { return static_cast<bool>(in_); }
  Result<std::size_t> read(std::span<std::byte> into) override {
    in_.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
    if (in_.bad()) return fail(ErrorCode::Internal, "the file cannot be read to its end");
    return static_cast<std::size_t>(in_.gcount());
  }
  std::optional<std::uint64_t> size() const override { return size_; }

 private:
  std::ifstream in_;
  std::uint64_t size_ = 0;
};

Failure unwritable(const std::string& path) {
  return fail(ErrorCode::StorageFull,
              fmt::format("the file {} cannot be written to its end", path));
}

Result<void> write_body(rest::Response& response, const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!out)
    return fail(ErrorCode::InvalidArgument, fmt::format("the file {} cannot be made", path));
  if (const auto* text = std::get_if<std::string>(&response.body)) {
    out << *text;
  } else if (const auto* range = std::get_if<rest::FileRange>(&response.body)) {
    std::ifstream in(range->path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(range->offset));
    std::vector<char> piece(256 << 10);
    for (std::uint64_t left = range->length; left > 0;) {
      in.read(piece.data(),
              static_cast<std::streamsize>(std::min<std::uint64_t>(left, piece.size())));
      if (in.gcount() <= 0) return fail(ErrorCode::Internal, "the data ended too early");
      out.write(piece.data(), in.gcount());
      left -= static_cast<std::uint64_t>(in.gcount());
    }
  } else {
    auto& source = std::get<std::unique_ptr<ByteSource>>(response.body);
    std::vector<std::byte> piece(256 << 10);
    while (source) {
      CLOUDOS_TRY(const std::size_t count, source->read(piece));
      if (count == 0) break;
      out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(count));
    }
  }
  out.close();
  if (!out) return unwritable(path);
  return Result<void>();
}

std::string body_text(const rest::Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  return text ? *text : std::string();
}

Error error_of(const rest::Response& response) {
  if (response.error) return *response.error;
  std::string message = reply_message(json::parse(body_text(response), nullptr, false));
  if (message.empty()) message = std::string(rest::reason_phrase(response.status));
  return {code_of_status(response.status), std::move(message), {}};
}

}  // namespace

Result<Answer> send(const rest::Router& router, const Context& caller, const Verb& verb,
                    const Request& request) {
  rest::Request out;
  out.method = verb.method;
  out.target = request.path;
  out.caller = caller;
  out.request_id = caller.request_id;
  out.remote_address = "local";
  out.headers.add("Accept", "application/json");
  for (const auto& [key, value] : request.headers) out.headers.add(key, value);
  if (!request.content_type.empty()) out.headers.add("Content-Type", request.content_type);
  TextSource text(request.body);
  std::unique_ptr<FileSource> file;
  if (!request.upload.empty()) {
    file = std::make_unique<FileSource>(request.upload);
    if (!file->good())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the file {} cannot be read", request.upload));
    out.body = file.get();
  } else if (!request.body.empty()) {
    out.body = &text;
  }
  rest::Response response = router.handle(out);
  if (response.status >= 400) return fail(error_of(response));
  if (!request.download.empty()) {
    CLOUDOS_CHECK(write_body(response, request.download));
    return Answer{};
  }
  return Answer{body_text(response), std::string(response.headers.get("X-Subject-Token"))};
}

namespace {

/// Does verbs through the router of this process.
class RouterDoer final : public Doer {
 public:
  RouterDoer(const rest::Router& router, const Context& caller,
             const std::function<void(std::chrono::milliseconds)>& pause)
      : router_(router), caller_(caller), pause_(pause) {}

  bool pause(std::chrono::milliseconds time) override {
    if (pause_) pause_(time);
    std::this_thread::sleep_for(time);
    return true;
  }

 private:
  Result<Answer> carry(const Verb& verb, const Request& request) override {
    return verbs::send(router_, caller_, verb, request);
  }

  const rest::Router& router_;
  const Context& caller_;
  const std::function<void(std::chrono::milliseconds)>& pause_;
};

}  // namespace

Result<std::string> call(const rest::Router& router, const Context& caller, std::string_view name,
                         std::string_view parameters,
                         const std::function<void(std::chrono::milliseconds)>& pause) {
  const Verb* verb = find(name);
  if (verb == nullptr) {
    const std::string_view near = nearest(name);
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there is no verb '{}'{}", name.substr(0, 64),
                            near.empty() ? "" : fmt::format("; is it {}?", near)));
  }
  json members = json::object();
  if (!parameters.empty()) {
    CLOUDOS_TRY(members, rest::parse_json(parameters));
  }
  RouterDoer doer(router, caller, pause);
  CLOUDOS_TRY(const json reply, doer.perform(*verb, members));
  return reply.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace cloudos::verbs

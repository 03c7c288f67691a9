#include "verbs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace cli {
namespace {

using cloudos::Error;
using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr std::chrono::milliseconds kFirstPoll{100};
constexpr std::chrono::milliseconds kLongestPoll{1'000};

std::optional<std::string> environment_value(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value || !*value) return std::nullopt;
  return std::string(value);
}

/// One line on stderr that is written over where that is a terminal, and once per change elsewhere.
class Progress {
 public:
  ~Progress() {
    if (shown_ && terminal_) fmt::print(stderr, "\n");
  }
  void show(const std::string& text) {
    if (text == last_) return;
    last_ = text;
    shown_ = true;
    if (terminal_)
      fmt::print(stderr, "\r\033[K{}", text);
    else
      fmt::print(stderr, "{}\n", text);
    std::fflush(stderr);
  }
  bool terminal() const { return terminal_; }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  std::string last_;
};

std::string path_of(const Noun& noun, const json& thing) {
  return fmt::format("{}/{}", noun.path, escape(thing.value(std::string(noun.key), "")));
}

std::string label(const Noun& noun, const json& thing) {
  const std::string name = thing.value("name", "");
  return fmt::format("{} {}", noun.words, name.empty() ? thing.value("id", "") : name);
}

class Runner {
 public:
  Runner(const Command& command, Session& session) : command_(command), session_(session) {}

  Result<void> run() {
    switch (command_.verb) {
      case Verb::Create:
        return create();
      case Verb::List:
        return list();
      case Verb::Show:
        return show();
      case Verb::Delete:
        return remove_all();
      case Verb::TokenIssue:
        return issue_token();
    }
    return Result<void>();
  }

 private:
  Result<void> print(Sheet sheet) {
    std::string missing;
    if (!keep_columns(sheet, command_.columns, missing)) {
      std::string known;
      for (const Column& column : sheet.columns)
        known +=
            (known.empty() ? "" : ", ") + std::string(sheet.single ? column.field : column.title);
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("There is no column '{}'; there are: {}.", missing, known));
    }
    const auto name_of = [this](std::string_view noun, const std::string& id) {
      return session_.name_of(noun_of(noun), id);
    };
    const std::string text = render(sheet, command_.format, name_of);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return Result<void>();
  }

  Result<void> list() {
    CLOUDOS_TRY(const std::vector<json> things, session_.list(*command_.noun, ""));
    return print(list_sheet(*command_.noun, things));
  }

  Result<void> show() {
    CLOUDOS_TRY(const json thing, session_.find(*command_.noun, command_.subjects[0]));
    return print(show_sheet(*command_.noun, thing));
  }

  Result<void> create() {
    const Noun& noun = *command_.noun;
    const std::string& subject = command_.subjects[0];
    const std::string file = upload_file();
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
      return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", file));
    CLOUDOS_TRY(const json body, create_body(session_, noun, subject, command_.given));
    CLOUDOS_TRY(json reply, session_.post(noun, std::string(noun.path), body));
    json made = unwrapped(noun, std::move(reply));
    if (!file.empty()) {
      const std::string path = path_of(noun, made);
      if (auto sent = session_.upload(noun, path + "/file", file); !sent) {
        // An image without its data is of no use to anyone.
        (void)session_.remove(noun, path);
        return fail(std::move(sent).error());
      }
    }
    // Compute's reply to a create holds little; what was made is read back. A new key pair's
    // private half is shown this one time only.
    if (noun.words == "server" || !file.empty()) {
      CLOUDOS_TRY(json whole, session_.get(noun, path_of(noun, made)));
      made = unwrapped(noun, std::move(whole));
    }
    if (command_.wait && !noun.ready.empty()) {
      CLOUDOS_TRY(made, wait_until_ready(made));
    }
    if (made.contains("private_key") && command_.format != Format::Json &&
        command_.columns.empty()) {
      const auto key = made["private_key"].get<std::string>();
      std::fwrite(key.data(), 1, key.size(), stdout);
      return Result<void>();
    }
    return print(show_sheet(noun, made));
  }

  std::string upload_file() const {
    const auto it = command_.given.find("--file");
    return it == command_.given.end() || it->second.empty() ? std::string() : it->second.back();
  }

  Result<json> wait_until_ready(const json& made) {
    const Noun& noun = *command_.noun;
    Progress progress;
    const auto began = std::chrono::steady_clock::now();
    auto pause = kFirstPoll;
    while (true) {
      CLOUDOS_TRY(json reply, session_.get(noun, path_of(noun, made)));
      json thing = unwrapped(noun, std::move(reply));
      const std::string status = thing.value("status", "");
      const auto took = std::chrono::steady_clock::now() - began;
      progress.show(progress.terminal()
                        ? fmt::format("{}: {} after {:.1f} s", label(noun, thing), status,
                                      std::chrono::duration<double>(took).count())
                        : fmt::format("{}: {}", label(noun, thing), status));
      if (status == noun.ready) return thing;
      if (status == noun.broken) {
        const std::string why = thing.contains("fault") ? thing["fault"].value("message", "") : "";
        return fail(
            ErrorCode::Internal,
            fmt::format("{} is in {}{}{}. Look at it: cloudos {} show {}", label(noun, thing),
                        status, why.empty() ? "" : ": ", why, noun.words, thing.value("id", "")));
      }
      if (took > command_.patience) return still(thing, status);
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, kLongestPoll);
    }
  }

  tl::unexpected<Error> still(const json& thing, const std::string& status) const {
    return fail(
        ErrorCode::Timeout,
        fmt::format("{} is still {} after {} s; it goes on. Look at it: cloudos {} show {}",
                    label(*command_.noun, thing), status, command_.patience.count(),
                    command_.noun->words, thing.value(std::string(command_.noun->key), "")));
  }

  Result<void> remove_all() {
    std::optional<Error> first;
    for (const std::string& subject : command_.subjects)
      if (auto removed = remove(subject); !removed) {
        if (first) fmt::print(stderr, "cloudos: {}\n", first->message);
        first = std::move(removed).error();
      }
    if (first) return fail(std::move(*first));
    return Result<void>();
  }

  Result<void> remove(const std::string& subject) {
    const Noun& noun = *command_.noun;
    CLOUDOS_TRY(const json thing, session_.find(noun, subject));
    CLOUDOS_CHECK(session_.remove(noun, path_of(noun, thing)));
    if (!command_.wait) return Result<void>();
    Progress progress;
    const auto began = std::chrono::steady_clock::now();
    auto pause = kFirstPoll;
    while (true) {
      auto left = session_.get(noun, path_of(noun, thing));
      if (!left && left.error().code == ErrorCode::NotFound) return Result<void>();
      if (!left) return fail(std::move(left).error());
      const std::string status = unwrapped(noun, std::move(*left)).value("status", "there");
      progress.show(fmt::format("{}: deleting, still {}", label(noun, thing), status));
      if (std::chrono::steady_clock::now() - began > command_.patience) return still(thing, status);
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, kLongestPoll);
    }
  }

  Result<void> issue_token() {
    const json& token = session_.token();
    const json shown = {{"expires", token.value("expires_at", "")},
                        {"id", session_.token_text()},
                        {"project_id", token.value("/project/id"_json_pointer, "")},
                        {"user_id", token.value("/user/id"_json_pointer, "")}};
    return print(show_sheet(Noun{}, shown));
  }

  const Command& command_;
  Session& session_;
};

int exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound:
      return kNotFound;
    case ErrorCode::Unauthenticated:
      return kNoCloud;
    default:
      return kFailed;
  }
}

int complain(const Error& error, int code) {
  fmt::print(stderr, "cloudos: {}\n", error.message);
  return code;
}

}  // namespace

int run(const Command& command) {
  const auto credentials = find_credentials(command.cloud, environment_value);
  if (!credentials) return complain(credentials.error(), kNoCloud);
  Progress progress;
  Http::Settings settings{credentials->verify, credentials->ca_file, nullptr};
  if (progress.terminal())
    settings.progress = [&progress](std::uint64_t sent, std::uint64_t total) {
      progress.show(fmt::format("uploading: {} %", total ? sent * 100 / total : 100));
    };
  auto session = Session::open(*credentials, std::move(settings));
  if (!session) return complain(session.error(), kNoCloud);
  const auto done = Runner(command, *session).run();
  if (!done) return complain(done.error(), exit_code(done.error()));
  return kDone;
}

}  // namespace cli

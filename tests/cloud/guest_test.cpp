// Two processes on one folder: the one that runs it, and guests beside it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <csignal>
#include <semaphore>
#include <thread>

#include "cloud/support.hpp"
#include "cloudos/hosts.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/networks.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using cloud_test::boot_server;
using cloud_test::make_server;
using cloud_test::member;
using cloud_test::Scratch;
using cloud_test::small_options;

namespace {

constexpr int kAnswers = 3, kQuestions = 4;  // Descriptors of the child.
constexpr const char* kRunnerFolder = "CLOUDOS_CLOUD_RUNNER";

Options shared_options(const std::filesystem::path& folder, FolderRole role) {
  Options options = small_options(folder);
  options.admin_password = "a secret";
  options.role = role;
  return options;
}

/// What the runner's process does: runs the folder, and says of tokens whether they hold.
void run_folder(const char* folder) {
  auto cloud = Cloud::open(shared_options(folder, FolderRole::Runner));
  if (!cloud) ::_exit(2);
  std::string token;
  char byte = 'R';
  while (::write(kAnswers, &byte, 1) == 1) {
    token.clear();
    while (::read(kQuestions, &byte, 1) == 1 && byte != '\n') token += byte;
    if (token.empty()) break;
    byte = (*cloud)->identity().validate(token) ? 'Y' : 'N';
  }
  cloud->reset();
  ::_exit(0);
}

class RunnerProcess {
 public:
  explicit RunnerProcess(const std::filesystem::path& folder) {
    int questions[2], answers[2];
    REQUIRE(::pipe2(questions, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(answers, O_CLOEXEC) == 0);
    ask_ = questions[1];
    hear_ = answers[0];
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      // Out of the way first: what is duplicated must not lie where the copies go.
      const int in = ::fcntl(questions[0], F_DUPFD, 10), out = ::fcntl(answers[1], F_DUPFD, 10);
      ::dup2(out, kAnswers);
      ::dup2(in, kQuestions);
      ::dup2(::open("/dev/null", O_WRONLY), 1);
      ::close(in);
      ::close(out);
      ::setenv(kRunnerFolder, folder.c_str(), 1);
      ::execl("/proc/self/exe", "runner", "--no-skip", "--test-case=a runner for the guest tests",
              nullptr);
      ::_exit(127);
    }
    ::close(questions[0]);
    ::close(answers[1]);
    REQUIRE(answer() == 'R');
  }
  ~RunnerProcess() {
    ::close(ask_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    ::close(hear_);
  }
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  bool holds(const std::string& token) {
    const std::string line = token + "\n";
    REQUIRE(::write(ask_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    return answer() == 'Y';
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  char answer() {
    pollfd wait{hear_, POLLIN, 0};
    char byte = 0;
    if (::poll(&wait, 1, 20'000) != 1 || ::read(hear_, &byte, 1) != 1) return 0;
    return byte;
  }
  pid_t pid_ = 0;
  int ask_ = -1, hear_ = -1;
};

Login admin_login() {
  Login login;
  login.password = Login::Password{{"", "admin", "default", ""}, "a secret"};
  return login;
}

std::size_t threads_of_ours() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("a runner for the guest tests" * doctest::skip()) {
  if (const char* folder = std::getenv(kRunnerFolder)) run_folder(folder);
}

TEST_CASE("a guest in another process makes a server, which the runner of the folder brings up") {
  Scratch folder;
  RunnerProcess runner(folder.path);
  auto guest = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  REQUIRE_MESSAGE(guest, (guest ? "" : guest.error().message));
  CHECK((*guest)->role() == FolderRole::Guest);
  std::counting_semaphore<> heard{0};
  const auto changes =
      (*guest)->subscribe({.kinds = {"server"}}, [&](const ChangeBatch&) { heard.release(); });
  REQUIRE(changes);
  const auto server = boot_server(**guest, "from a guest");
  REQUIRE_MESSAGE(server, (server ? "" : server.error().message));
  CHECK(server->vm_state == VmState::Active);
  CHECK(server->host == "host-1");
  CHECK(heard.try_acquire_for(10s));
  const auto hosts = (*guest)->hosts().list(Context::system());
  REQUIRE(hosts);
  REQUIRE(hosts->size() == 1);
  CHECK(hosts->front().up);
  const auto gone = (*guest)->servers().remove(member(), server->id);
  REQUIRE(gone);
  CHECK((*guest)->tasks().wait(*gone, 20s)->state == TaskState::Done);
  CHECK((*guest)->servers().list(member())->empty());
}

TEST_CASE("a token that a guest revokes is refused by the runner within 100 ms") {
  Scratch folder;
  RunnerProcess runner(folder.path);
  auto guest = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  REQUIRE(guest);
  // Machines are loaded: one of a few times has to be as fast as it is on an idle one.
  auto fastest = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 10 && fastest >= 100ms; ++i) {
    const auto token = (*guest)->identity().authenticate(admin_login());
    REQUIRE_MESSAGE(token, (token ? "" : token.error().message));
    REQUIRE(runner.holds(token->text));  // And is in its cache now.
    REQUIRE((*guest)->identity().validate(token->text));
    REQUIRE((*guest)->identity().revoke(Context::system(), token->text));
    const auto committed = std::chrono::steady_clock::now();
    bool holds = true;
    while (holds && std::chrono::steady_clock::now() - committed < 5s)
      holds = runner.holds(token->text);
    CHECK_FALSE(holds);
    fastest = std::min(fastest, std::chrono::steady_clock::now() - committed);
    CHECK((*guest)->identity().validate(token->text).error().code == ErrorCode::Unauthenticated);
  }
  CHECK(fastest < 100ms);
}

TEST_CASE("FolderRole::Any runs a folder that nobody runs, and is a guest where somebody does") {
  Scratch folder;
  {
    auto alone = Cloud::open(shared_options(folder.path, FolderRole::Any));
    REQUIRE(alone);
    CHECK((*alone)->role() == FolderRole::Runner);
  }
  RunnerProcess runner(folder.path);
  auto second = Cloud::open(shared_options(folder.path, FolderRole::Any));
  REQUIRE(second);
  CHECK((*second)->role() == FolderRole::Guest);
  CHECK((*second)->images().create(member(), {.name = "i"}));
  CHECK(Cloud::open(shared_options(folder.path, FolderRole::Runner)).error().code ==
        ErrorCode::Conflict);
}

TEST_CASE(
    "a guest reads on when the runner is killed, changes nothing then, and all is well again") {
  Scratch folder;
  std::optional<RunnerProcess> runner(std::in_place, folder.path);
  auto guest = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  REQUIRE(guest);
  const auto server = boot_server(**guest, "s");
  REQUIRE(server);
  runner->kill();
  CHECK((*guest)->servers().get(member(), server->id));
  const auto refused = (*guest)->images().create(member(), {.name = "i"});
  REQUIRE_FALSE(refused);
  CHECK(is_retryable(refused.error().code));
  CHECK((*guest)->images().list(member(), {})->size() == 1);
  runner.emplace(folder.path);
  CHECK((*guest)->images().create(member(), {.name = "i"}));
  CHECK((*guest)->images().list(member(), {})->size() == 2);
}

TEST_CASE("a guest without workers starts no thread, and waits and hears all the same") {
  Scratch folder;
  RunnerProcess runner(folder.path);
  const auto before = threads_of_ours();
  Options options = shared_options(folder.path, FolderRole::Guest);
  options.workers = 0;
  auto guest = Cloud::open(options);
  REQUIRE(guest);
  int heard = 0;
  const auto changes =
      (*guest)->subscribe({.kinds = {"server"}}, [&](const ChangeBatch&) { ++heard; });
  CHECK(boot_server(**guest, "s")->vm_state == VmState::Active);
  CHECK(cloud_test::loop_until(**guest, [&] { return heard > 0; }));
  CHECK(threads_of_ours() == before);
}

TEST_CASE("what a guest cannot do is said so: no folder, a binding to a host") {
  Scratch folder;
  const auto nothing = Cloud::open(shared_options(folder.path / "none", FolderRole::Guest));
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == ErrorCode::NotFound);
  CHECK_FALSE(std::filesystem::exists(folder.path / "none"));
  RunnerProcess runner(folder.path);
  auto guest = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  REQUIRE(guest);
  const auto net = (*guest)->networks().create_network(member(), {.name = "n"});
  REQUIRE(net);
  const auto bound =
      (*guest)->networks().create_port(member(), {.network = net->id, .host = "host-1"});
  REQUIRE_FALSE(bound);
  CHECK(bound.error().code == ErrorCode::Unsupported);
  CHECK((*guest)->networks().create_port(member(), {.network = net->id}));
}

TEST_CASE("an image uploaded by a guest is the runner's too; two uploads of one image do not mix") {
  Scratch folder;
  RunnerProcess runner(folder.path);
  auto one = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  auto two = Cloud::open(shared_options(folder.path, FolderRole::Guest));
  REQUIRE(one);
  REQUIRE(two);
  const auto image = (*one)->images().create(
      member(),
      {.name = "i", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  REQUIRE(image);
  /// In the midst of it the other guest tries, too.
  struct Meddled final : ByteSource {
    Result<std::size_t> read(std::span<std::byte> buffer) override {
      if (++reads > 2) return std::size_t{0};
      if (reads == 2) {
        TextSource other("other");
        const auto tried = meddler->images().upload(member(), id, other);
        code = tried ? std::nullopt : std::optional(tried.error().code);
      }
      std::fill(buffer.begin(), buffer.end(), std::byte{'x'});
      return buffer.size();
    }
    Cloud* meddler = nullptr;
    ImageId id;
    int reads = 0;
    std::optional<ErrorCode> code;
  };
  Meddled source;
  source.meddler = two->get();
  source.id = image->id;
  const auto active = (*one)->images().upload(member(), image->id, source);
  REQUIRE_MESSAGE(active, (active ? "" : active.error().message));
  CHECK(source.code == ErrorCode::Conflict);
  CHECK(active->status == ImageStatus::Active);
  CHECK((*two)->images().get(member(), image->id)->size_bytes == active->size_bytes);
}

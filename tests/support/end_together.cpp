// Linked into test programs and benches that start guests, DHCP servers and the like: whatever ends
// such a program, by SIGKILL too, ends all that it started.
//
// Before main() the program becomes the first child of the init of a process-id namespace of its own.
// That init dies with whoever waits for it, and the kernel ends all of a namespace with its init.
// Without the rights for a namespace everything stays as it is: such tests are skipped then anyway.
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace {

/// The exit code, or 128 and the signal, of this child; others are reaped on the way.
int wait_for(pid_t child) {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) return 125;
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

/// Ends with its parent, which has kept the other end of `parent`: who ended before this would not be
/// heard of. (Numbers of another namespace's processes say nothing.)
void end_with(int parent) {
  pollfd end{parent, POLLIN, 0};
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::poll(&end, 1, 0) != 0) ::_exit(125);
  ::close(parent);
}

/// The first process of the namespace. Returns in the one that goes on as the program.
void be_init(int ready) {
  // Pids under /proc are those of the namespace; what is mounted here nobody else sees.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
      ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 ||
      ::write(ready, "1", 1) != 1)
    ::_exit(125);
  ::close(ready);
  const pid_t program = ::fork();
  if (program == 0) return;
  ::_exit(program < 0 ? 125 : wait_for(program));
}

/// Makes the namespace. Returns in the program.
void make_namespace(int ready) {
  int alive[2];
  if (::pipe(alive) != 0 || ::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(125);
  const pid_t init = ::fork();
  if (init == 0) {
    ::close(alive[1]);
    end_with(alive[0]);
    be_init(ready);
    return;
  }
  ::close(alive[0]);
  ::close(ready);
  ::_exit(init < 0 ? 125 : wait_for(init));
}

__attribute__((constructor)) void end_together() {
  // A test whose guests are to outlive a program that it runs again says so.
  int ready[2], alive[2];
  if (::getenv("CLOUDOS_TEST_STAYS") != nullptr || ::geteuid() != 0 || ::pipe(ready) != 0 ||
      ::pipe(alive) != 0)
    return;
  const pid_t maker = ::fork();
  if (maker == 0) {
    ::close(ready[0]);
    ::close(alive[1]);
    end_with(alive[0]);
    make_namespace(ready[1]);
    return;
  }
  ::close(ready[1]);
  ::close(alive[0]);
  char made = 0;
  const bool apart = maker > 0 && ::read(ready[0], &made, 1) == 1;
  if (apart) ::_exit(wait_for(maker));
  ::close(ready[0]);
  ::close(alive[1]);
  if (maker > 0) ::waitpid(maker, nullptr, 0);
}

}  // namespace

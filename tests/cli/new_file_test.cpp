// Files that a command makes.
#include "new_file.hpp"

#include <atomic>

#include "support/program.hpp"

using namespace program_test;

TEST_CASE("of all who make one file at the same time one does, whole; the others are told so") {
  TempDir dir;
  const std::string path = (dir.path() / "new.conf").string();
  std::vector<std::thread> writers;
  std::atomic<int> made{0}, refused{0};
  for (char letter = 'a'; letter < 'i'; ++letter)
    writers.emplace_back([&, letter] {
      const auto written = cli::write_new_file(path, std::string(200'000, letter));
      made += written.has_value();
      refused += !written && written.error().code == cloudos::ErrorCode::Conflict;
    });
  for (std::thread& writer : writers) writer.join();
  CHECK(made == 1);
  CHECK(refused == 7);
  std::ostringstream read;
  read << std::ifstream(path).rdbuf();
  const std::string text = read.str();
  CHECK(text == std::string(200'000, text.empty() ? '?' : text[0]));
  // Neither drafts nor anything else beside it.
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    CHECK(entry.path().filename() == "new.conf");
    ++files;
  }
  CHECK(files == 1);
  CHECK(cli::write_new_file((dir.path() / "none" / "new.conf").string(), "x").error().code ==
        cloudos::ErrorCode::Unavailable);
}

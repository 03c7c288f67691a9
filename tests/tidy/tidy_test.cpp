// Reads the sources as text: who may include whom, how long files are, which words are banned.
#include <doctest/doctest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = CLOUDOS_SOURCE_DIR;

// The table of rooms: what each may include beside itself, the public headers and std. The engine
// rooms are the first line's; see libcloudos/README.md.
const std::set<std::string> kEngine = {"base",  "codec",    "store",     "records",  "audit",
                                       "tasks", "identity", "placement", "scheduler"};
std::map<std::string, std::set<std::string>> room_table() {
  std::map<std::string, std::set<std::string>> table = {
      {"base", {}},
      {"codec", {"base"}},
      {"store", {"base"}},
      {"records", {"base", "codec", "store"}},
      {"audit", {"base", "codec", "store", "records"}},
      {"tasks", {"base", "codec", "store", "records"}},
      {"identity", {"base", "codec", "store", "records", "audit", "tasks"}},
      {"placement", {"base", "codec", "store", "records", "tasks", "scheduler"}},
      {"scheduler", {"base"}},
      {"hypervisor", {"base"}},
      {"locale", {"base"}},
      {"rest", {"base", "codec", "cloud", "locale"}},
      {"verbs", {"base", "rest"}},
      {"config", {"base"}},
  };
  table["image"] = kEngine;
  table["network"] = kEngine;
  table["compute"] = kEngine;
  table["compute"].insert({"hypervisor"});
  table["maintenance"] = kEngine;
  table["maintenance"].insert({"image", "network", "compute"});
  table["cloud"] = kEngine;
  table["cloud"].insert({"hypervisor", "image", "network", "compute", "maintenance", "locale"});
  return table;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<fs::path> sources(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const auto ext = entry.path().extension();
      if (ext == ".cpp" || ext == ".hpp" || ext == ".h") files.push_back(entry.path());
    }
  }
  return files;
}

std::string included(const std::string& line) {
  if (!line.starts_with("#include \"")) return {};
  return line.substr(10, line.find('"', 10) - 10);
}

}  // namespace

TEST_CASE("rooms include only what the table of rooms allows") {
  const auto table = room_table();
  for (const auto& [room, allowed] : table) {
    for (const fs::path& file : sources({"libcloudos/" + room})) {
      for (const std::string& line : lines_of(file)) {
        const std::string path = included(line);
        const std::size_t slash = path.find('/');
        if (slash == std::string::npos) continue;
        const std::string other = path.substr(0, slash);
        if (other == "cloudos" || other == room) continue;
        CAPTURE(file.string());
        CAPTURE(path);
        CHECK((allowed.contains(other) || allowed.contains(path)));
      }
    }
  }
}

TEST_CASE("every folder of the library is a room of the table") {
  const auto table = room_table();
  for (const auto& entry : fs::directory_iterator(kRoot / "libcloudos")) {
    const auto name = entry.path().filename();
    if (!entry.is_directory() || name == "include" || name == "docs") continue;
    CAPTURE(entry.path().string());
    CHECK(table.contains(entry.path().filename().string()));
    CHECK(fs::exists(entry.path() / "README.md"));
    if (fs::exists(entry.path() / "README.md"))
      CHECK(lines_of(entry.path() / "README.md").size() <= 30);
  }
}

TEST_CASE("public headers include std and one another only") {
  static const std::set<std::string> kForbidden = {"fmt",     "tl",   "nlohmann", "boost", "lmdb",
                                                   "libvirt", "base", "store",    "tasks", "codec"};
  for (const fs::path& file : sources({"libcloudos/include"})) {
    for (const std::string& line : lines_of(file)) {
      if (!line.starts_with("#include ")) continue;
      CAPTURE(file.string());
      CAPTURE(line);
      const std::string path = line.substr(10, line.find_first_of("/.\">", 10) - 10);
      CHECK_FALSE(kForbidden.contains(path));
      if (line.starts_with("#include \"")) CHECK(line.starts_with("#include \"cloudos/"));
    }
  }
}

TEST_CASE("files stay under 800 lines of 100 columns") {
  for (const fs::path& file : sources({"libcloudos", "apps", "bindings", "examples", "tests"})) {
    const auto lines = lines_of(file);
    CAPTURE(file.string());
    CHECK(lines.size() <= 800);
    std::size_t number = 0;
    for (const std::string& line : lines) {
      ++number;
      // Columns are characters, not bytes: count what does not continue a UTF-8 sequence.
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
      });
      CAPTURE(number);
      // clang-format leaves long literals alone; rows of test tables are read across.
      const std::ptrdiff_t most = file.string().find("/tests/") == std::string::npos ? 110 : 160;
      if (columns > most) CHECK(columns <= most);
    }
  }
}

TEST_CASE("banned words stay out") {
  struct Row {
    const char* word;
    const char* why;
    bool library_only;
  };
  const std::string std_regex = std::string("std::") + "regex", todo = std::string("TO") + "DO";
  const std::string fixme = std::string("FIX") + "ME", value = std::string(".val") + "ue()";
  const Row rows[] = {
      {std_regex.c_str(), "slow to compile, recursive on hostile input", false},
      {todo.c_str(), "do it, or say it in a README", false},
      {fixme.c_str(), "fix it", false},
      {"using namespace std;", "hides where names come from", false},
      {"std::cout", "stdout belongs to the host program", true},
      {"std::exit(", "the host program decides when it ends", true},
      {"setlocale(", "the locale belongs to the host program", true},
      {"umask(", "the umask belongs to the host program", true},
      {"chdir(", "the working directory belongs to the host program", true},
  };
  for (const fs::path& file : sources({"libcloudos", "apps", "tests", "examples"})) {
    if (file.filename() == "tidy_test.cpp") continue;
    const bool library = file.string().find("/libcloudos/libcloudos/") != std::string::npos ||
                         file.string().starts_with((kRoot / "libcloudos").string());
    const auto lines = lines_of(file);
    for (const std::string& line : lines) {
      for (const Row& row : rows) {
        if (row.library_only && !library) continue;
        if (line.find(row.word) == std::string::npos) continue;
        CAPTURE(file.string());
        CAPTURE(line);
        FAIL_CHECK(std::string(row.why));
      }
      if (library && file.extension() == ".hpp" && line == "#include <iostream>") {
        CAPTURE(file.string());
        FAIL_CHECK("iostream in a header");
      }
      if (library && line.find("CLOUDOS_TRY(") == std::string::npos &&
          line.find(value) != std::string::npos) {
        CAPTURE(file.string());
        CAPTURE(line);
        FAIL_CHECK("a Result's throwing accessor");
      }
    }
  }
}

namespace {

bool is_part_of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '>';
}

/// The names on both sides of each "==" and "!=" of a line.
std::vector<std::string> compared_names(const std::string& line) {
  std::vector<std::string> names;
  for (std::size_t at = 1; at + 1 < line.size(); ++at) {
    if (line[at] != '=' || (line[at - 1] != '=' && line[at - 1] != '!')) continue;
    std::size_t left = at - 1, right = at + 1;
    while (left > 0 && line[left - 1] == ' ') --left;
    while (right < line.size() && (line[right] == ' ' || line[right] == '*')) ++right;
    std::size_t from = left, to = right;
    while (from > 0 && is_part_of_name(line[from - 1])) --from;
    while (to < line.size() && is_part_of_name(line[to])) ++to;
    const std::string a = line.substr(from, left - from), b = line.substr(right, to - right);
    // With a number or nothing it is no comparison of two texts.
    const auto no_text = [](const std::string& name) {
      return name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0 ||
             name == "nullptr" || name.ends_with("npos") || name == "true" || name == "false";
    };
    if (no_text(a) || no_text(b)) continue;
    names.insert(names.end(), {a, b});
  }
  return names;
}

}  // namespace

TEST_CASE("secrets are compared by the one helper whose time tells nothing") {
  const std::set<std::string> kWords = {"secret", "signature", "passcode", "password",
                                        "hmac",   "digest",    "mac_of"};
  // Two things of our own that are no secret to whoever has one of them.
  const std::set<std::string> kOthers = {
      "const bool plain = !hash.foreign && candidate == password;",
      "if (r.password_hash == user.password_hash) {"};
  for (const fs::path& file : sources({"libcloudos/identity", "libcloudos/compute",
                                       "libcloudos/rest", "libcloudos/cloud", "apps"})) {
    for (const std::string& line : lines_of(file)) {
      const auto from = line.find_first_not_of(' ');
      if (from == std::string::npos || line.compare(from, 2, "//") == 0) continue;
      if (kOthers.count(line.substr(from)) != 0) continue;
      for (const std::string& name : compared_names(line)) {
        for (const std::string& word : kWords) {
          // "rules.password_days" is a number; a kind or version of a secret is none.
          const std::string last = name.substr(name.rfind('.') + 1);
          if (last != word && !last.ends_with("_" + word) && last != word + "_hash" &&
              last != word + "_")
            continue;
          CAPTURE(file.string());
          CAPTURE(line);
          FAIL_CHECK("compare it by equal_secret()");
        }
      }
      if (line.find("memcmp(") != std::string::npos && line.find("CRYPTO_memcmp(") == line.npos) {
        CAPTURE(file.string());
        FAIL_CHECK("memcmp stops at the first difference");
      }
    }
  }
  // Who does compare such: tokens and receipts, password hashes of every kind and with them secrets
  // of application credentials, signatures of EC2 and S3 requests, passcodes.
  for (const char* name : {"fernet", "hashes", "ec2_login", "methods_totp"}) {
    CAPTURE(name);
    bool uses = false;
    const fs::path file = kRoot / "libcloudos/identity" / (std::string(name) + ".cpp");
    for (const std::string& line : lines_of(file))
      uses = uses || line.find("equal_secret(") != std::string::npos;
    CHECK(uses);
  }
  bool constant = false;
  for (const std::string& line : lines_of(kRoot / "libcloudos/base/text.cpp"))
    constant = constant || line.find("CRYPTO_memcmp(") != std::string::npos;
  CHECK(constant);
}

TEST_CASE("the top level holds its folders and files and nothing else") {
  static const std::set<std::string> kAllowed = {
      "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "libcloudos",
      "bindings",       "examples",          "apps",      "tests",   "cmake",
      "build"};
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    CHECK((name.starts_with('.') || kAllowed.contains(name)));
  }
}

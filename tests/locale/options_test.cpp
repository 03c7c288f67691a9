// Languages that a host program or an operator brings.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cloudos/cloud.hpp"
#include "cloudos/locale.hpp"
#include "cloudos/rest.hpp"

using namespace cloudos;

namespace {

std::string one_message(const std::string& translation) {
  return "msgid \"\"\nmsgstr \"Language: x\\n\"\n\n"
         "msgid \"The resource could not be found.\"\nmsgstr \"" +
         translation + "\"\n";
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cloudos-locale-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
  }
  std::filesystem::path path;
};

Options quick() {
  Options options;
  options.password_cost = 4;
  options.host_names = {"host-1"};
  return options;
}

/// What a router says of a path that there is not, and in which language.
std::pair<std::string, std::string> told(Cloud& cloud, const std::string& accept) {
  const rest::Router router(cloud);
  rest::Request request;
  request.method = "GET";
  request.target = "/identity/v3/no/such/path";
  request.headers.add("Accept-Language", accept);
  const rest::Response response = router.handle(request);
  return {std::get<std::string>(response.body),
          std::string(response.headers.get("Content-Language"))};
}

}  // namespace

TEST_CASE("a folder and texts of Options add languages, and replace those of the library") {
  const Folder folder;
  folder.put("pt-BR.po", one_message("O recurso não foi encontrado."));
  folder.put("fr.po", one_message("folder's"));
  folder.put("README", "no catalogue");
  Options options = quick();
  options.locale_dir = folder.path;
  options.catalogues["fr"] = one_message("La ressource est introuvable.");
  options.catalogues["ko"] = one_message("another Korean");
  const auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  struct Row {
    std::string accept, text, language;
  };
  const Row rows[] = {
      {"pt-BR, en;q=0.5", "O recurso não foi encontrado.", "pt-BR"},
      {"fr-CA", "La ressource est introuvable.", "fr"},
      {"ko", "another Korean", "ko"},
      {"de", "The resource could not be found.", "en"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.accept);
    const auto [text, language] = told(**cloud, row.accept);
    CHECK(text.find(row.text) != std::string::npos);
    CHECK(language == row.language);
  }
  CHECK((*cloud)->catalogues().languages().size() == 4);
  // Another cloud of this process knows nothing of it.
  const auto other = Cloud::open(quick());
  REQUIRE(other);
  CHECK(told(**other, "fr").second == "en");
}

TEST_CASE("a catalogue that is none ends the opening with its name") {
  const Folder folder;
  folder.put("fr.po", "msgid \"The {} is not there\"\nmsgstr \"rien\"\n");
  struct Row {
    std::string what;
    Options options;
    ErrorCode code;
    std::string names;
  };
  std::vector<Row> rows;
  rows.push_back({"other places", quick(), ErrorCode::InvalidArgument, "fr.po"});
  rows.back().options.locale_dir = folder.path;
  rows.push_back({"no folder", quick(), ErrorCode::NotFound, "nowhere"});
  rows.back().options.locale_dir = folder.path / "nowhere";
  rows.push_back({"no tag", quick(), ErrorCode::InvalidArgument, "not a tag"});
  rows.back().options.catalogues["not a tag"] = one_message("x");
  rows.push_back({"no .po", quick(), ErrorCode::InvalidArgument, "catalogues: fr"});
  rows.back().options.catalogues["fr"] = "<html>";
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto opened = Cloud::open(row.options);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == row.code);
    CHECK(opened.error().message.find(row.names) != std::string::npos);
  }
}

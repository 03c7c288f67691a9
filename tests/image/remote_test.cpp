#include <fmt/format.h>

#include <fstream>

#include "cloudos/image_imports.hpp"
#include "image/fetch.hpp"
#include "image/file_server.hpp"
#include "image/remote_image.hpp"
#include "image/web.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

constexpr const char* kRemoteId = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c";
const std::string kRemoteBytes(150'000, 'r');

/// Another region's image service: what each of its URLs has, and the tokens that it was shown.
struct OtherRegion {
  std::map<std::string, std::string> urls;
  std::vector<std::string> tokens;
  std::string user_asked, project_asked;

  void describe(const std::string& more, const std::string& bytes = kRemoteBytes) {
    urls["https://two.example/v2/images/" + std::string(kRemoteId)] = fmt::format(
        R"({{"status": "active", "size": {}, "disk_format": "raw", "container_format": "bare",)"
        R"( "os_hash_algo": "sha512", "os_hash_value": "{}"{}}})",
        bytes.size(), sha512_of(bytes), more);
    urls["https://two.example/v2/images/" + std::string(kRemoteId) + "/file"] = bytes;
  }
  void say(std::string json) {
    urls["https://two.example/v2/images/" + std::string(kRemoteId)] = std::move(json);
  }
};

ImageSettings settings_with(OtherRegion& other) {
  ImageSettings settings;
  settings.imports.glance_download = true;
  settings.remote.find = [&other](const ProjectId& project, const UserId& user,
                                  const std::string& region,
                                  const std::string& interface) -> Result<std::string> {
    other.project_asked = project.value;
    other.user_asked = user.value;
    if (region == "two" && interface == "public") return std::string("https://two.example/");
    return fail(ErrorCode::NotFound, "the catalog has no such endpoint");
  };
  settings.remote.seal = [](std::string_view plain) {
    return Result<std::string>("sealed." + std::string(plain.rbegin(), plain.rend()));
  };
  settings.remote.unseal = [](std::string_view sealed) -> Result<std::string> {
    if (!sealed.starts_with("sealed.")) return fail(ErrorCode::Internal, "not sealed");
    sealed.remove_prefix(7);
    return std::string(sealed.rbegin(), sealed.rend());
  };
  settings.remote.open = [&other](const std::string& url, const std::string& token,
                                  const image::GoOn& go_on)
      -> Result<std::unique_ptr<ByteSource>> {
    CLOUDOS_CHECK(go_on());
    other.tokens.push_back(token);
    const auto at = other.urls.find(url);
    if (at == other.urls.end()) return fail(ErrorCode::NotFound, "nothing is there");
    return std::unique_ptr<ByteSource>(std::make_unique<TextSource>(at->second));
  };
  return settings;
}

struct RemoteWorld : World {
  explicit RemoteWorld(ImageSettings settings, const std::filesystem::path& folder = {})
      : World(folder, nullptr, std::move(settings)) {}
  Image get(const ImageId& id) {
    const auto found = images->get(Context::system(), id);
    REQUIRE(found);
    return *found;
  }
  ImageTask imported(const Context& ctx, const ImageId& id, const ImageImport& wish) {
    const auto asked = images->imports().import(ctx, id, wish);
    const std::string why = asked ? "" : asked.error().message;
    INFO(why);
    REQUIRE(asked);
    CHECK(asked->request.token.empty());
    settle_all();
    const auto all = images->imports().image_tasks(Context::system(), id);
    REQUIRE(all);
    return all->front();
  }
};

ImageImport from_two() {
  ImageImport wish;
  wish.method = ImportMethod::GlanceDownload;
  wish.region = "two";
  wish.remote_image = ImageId{kRemoteId};
  wish.token = "secret-token";
  return wish;
}

}  // namespace

TEST_CASE("an image of another region comes with its formats and the properties that may come") {
  const Folder folder;
  OtherRegion other;
  other.describe(R"(, "hw_cpu_cores": "5", "trait:SSD": "required", "os_distro": "rhel",)"
                 R"( "speed": "88mph", "os_type": 7, "os_glance_x": "y")");
  RemoteWorld w(settings_with(other), folder.path);
  const Context me = member_of("p");
  ImageCreate spec;
  spec.disk_format = DiskFormat::Iso;
  spec.container_format = ContainerFormat::Ovf;
  spec.properties = {{"hw_cpu_cores", "1"}, {"mine", "stays"}};
  const ImageId id = w.make(me, spec);
  CHECK(w.imported(me, id, from_two()).status == ImageTaskStatus::Success);
  const Image image = w.get(id);
  CHECK(image.status == ImageStatus::Active);
  CHECK(image.disk_format == DiskFormat::Raw);
  CHECK(image.container_format == ContainerFormat::Bare);
  CHECK(image.size_bytes == kRemoteBytes.size());
  CHECK(image.properties == std::map<std::string, std::string>{{"hw_cpu_cores", "5"},
                                                               {"mine", "stays"},
                                                               {"os_distro", "rhel"},
                                                               {"trait:SSD", "required"}});
  CHECK(other.tokens == std::vector<std::string>{"secret-token", "secret-token"});
  CHECK(other.project_asked == me.project.value);
  CHECK(other.user_asked == me.user.value);
}

TEST_CASE("no record has the token of a download in clear, nor sealed once the download is over") {
  for (const bool ends_well : {true, false}) {
    CAPTURE(ends_well);
    OtherRegion other;
    if (ends_well) other.describe("");
    RemoteWorld w(settings_with(other));
    const Context me = member_of("p");
    const ImageId id = w.make(me);
    REQUIRE(w.images->imports().import(me, id, from_two()));
    const auto key_of = [&](const std::string& text) -> std::string {
      const auto snapshot = w.store->snapshot();
      const auto all = (*snapshot)->scan("");
      REQUIRE(all);
      for (const auto& entry : *all)
        if (entry.value.find(text) != std::string::npos) return entry.key;
      return "";
    };
    const std::string sealed = "nekot-terces";
    CHECK(key_of("secret-token") == "");
    CHECK(key_of(sealed) != "");
    w.settle_all();
    CHECK(w.get(id).status == (ends_well ? ImageStatus::Active : ImageStatus::Queued));
    CHECK(key_of("secret-token") == "");
    CHECK(key_of(sealed) == "");
  }
}

TEST_CASE("what another region says wrongly leaves the image queued as it was, with the reason") {
  OtherRegion other;
  RemoteWorld w(settings_with(other));
  const Context me = member_of("p");
  struct Row {
    std::string what;
    std::function<void()> prepare;
    std::string region, message;
  };
  const Row rows[] = {
      {"no such region", [&] { other.describe(""); }, "three", "no such endpoint"},
      {"no such image", [&] { other.urls.clear(); }, "two", "nothing is there"},
      {"an image that is not active", [&] { other.say(R"({"status": "queued"})"); }, "two",
       "queued there, not active"},
      {"a format of another cloud",
       [&] {
         other.describe("");
         other.say(R"({"status": "active", "disk_format": "cassette", "container_format": "x"})");
       },
       "two", "formats"},
      {"no JSON", [&] { other.say("<html>"); }, "two", "does not answer with an image"},
      {"an answer without end", [&] { other.say(std::string((4 << 20) + 1, ' ')); }, "two",
       "too much"},
      {"another size",
       [&] {
         other.describe("");
         other.urls["https://two.example/v2/images/" + std::string(kRemoteId) + "/file"] += "x";
       },
       "two", "not the size"},
      {"other bytes",
       [&] {
         other.describe("");
         other.urls["https://two.example/v2/images/" + std::string(kRemoteId) + "/file"]
             .front() = 'x';
       },
       "two", "not what the other image service says"},
      {"too many properties",
       [&] {
         std::string more;
         for (int i = 0; i < 200; ++i) more += fmt::format(R"(, "hw_{}": "v")", i);
         other.describe(more);
       },
       "two", "properties, an image has at most"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    other.urls.clear();
    row.prepare();
    ImageCreate spec;
    spec.disk_format = DiskFormat::Iso;
    spec.properties = {{"hw_cpu_cores", "1"}};
    const ImageId id = w.make(me, spec);
    ImageImport wish = from_two();
    wish.region = row.region;
    const ImageTask task = w.imported(me, id, wish);
    CHECK(task.status == ImageTaskStatus::Failure);
    CHECK(task.message.find(row.message) != std::string::npos);
    const Image image = w.get(id);
    CHECK(image.status == ImageStatus::Queued);
    CHECK(image.disk_format == DiskFormat::Iso);
    CHECK(image.staged_bytes == 0);
    CHECK(image.properties == spec.properties);
  }
}

TEST_CASE("a download from another region is refused at once when it cannot be meant") {
  OtherRegion other;
  other.describe("");
  RemoteWorld w(settings_with(other));
  const Context me = member_of("p");
  const ImageId id = w.make(me);
  struct Row {
    std::string what;
    std::function<void(ImageImport&)> change;
    std::string message;
  };
  const Row rows[] = {
      {"an id that is none", [](ImageImport& i) { i.remote_image = ImageId{"foo"}; },
       "image id does not look like a UUID"},
      {"a way out of the path",
       [](ImageImport& i) { i.remote_image = ImageId{"../../v3/auth/tokens"}; }, "UUID"},
      {"no region", [](ImageImport& i) { i.region.clear(); }, "glance_region"},
      {"no interface", [](ImageImport& i) { i.interface.clear(); }, "glance_service_interface"},
      {"no token", [](ImageImport& i) { i.token.clear(); }, "token"},
      {"a header in the token", [](ImageImport& i) { i.token = "x\r\nHost: y"; }, "token"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageImport wish = from_two();
    row.change(wish);
    const auto asked = w.images->imports().import(me, id, wish);
    REQUIRE_FALSE(asked);
    CHECK(asked.error().code == ErrorCode::InvalidArgument);
    CHECK(asked.error().message.find(row.message) != std::string::npos);
  }
  CHECK(w.get(id).status == ImageStatus::Queued);
  World closed;
  const ImageId unoffered = closed.make(me);
  CHECK(code_of(closed.images->imports().import(me, unoffered, from_two())) ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("properties that the caller may not set do not come from another region either") {
  const Folder folder;
  std::ofstream(folder.path / "rules.conf") << "[^hw_secret.*]\ncreate = admin\nread = @\n"
                                               "update = admin\ndelete = admin\n"
                                               "[.*]\ncreate = @\nread = @\nupdate = @\n"
                                               "delete = @\n";
  OtherRegion other;
  other.describe(R"(, "hw_secret_boot": "no", "hw_disk_bus": "virtio")");
  ImageSettings settings = settings_with(other);
  settings.rules.property_protection_file = folder.path / "rules.conf";
  RemoteWorld w(std::move(settings));
  Context me = member_of("p");
  me.roles.push_back("no,admin");  // The name of one role.
  const ImageId id = w.make(me);
  CHECK(w.imported(me, id, from_two()).status == ImageTaskStatus::Success);
  CHECK(w.get(id).properties ==
        std::map<std::string, std::string>{{"hw_disk_bus", "virtio"}});
}

TEST_CASE("a token goes where it is sent, and along no redirect") {
  WebServer elsewhere([](const std::string&) { return ok("taken"); });
  WebServer server([&](const std::string& head) {
    if (head.starts_with("GET /away")) return redirect(elsewhere.url("/"));
    if (head.starts_with("GET /closed"))
      return std::string("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    return ok("bytes");
  });
  UrlRules rules;
  rules.ports.clear();
  rules.allowed_networks = {"127.0.0.1"};
  auto guard = image::UrlGuard::make(rules);
  REQUIRE(guard);
  const image::Fetcher fetcher(std::move(*guard), image::system_resolver());
  const auto get = [&](const std::string& path) {
    image::FetchRequest request;
    request.url = server.url(path);
    request.token = "secret-token";
    return fetcher.get(request);
  };
  CHECK(get("/here"));
  CHECK(server.heads().back().find("X-Auth-Token: secret-token\r\n") != std::string::npos);
  CHECK(code_of(get("/away")) == ErrorCode::Unavailable);
  CHECK(elsewhere.heads().empty());
  CHECK(code_of(get("/closed")) == ErrorCode::Forbidden);
}

TEST_CASE("what an image service says is read as JSON and nothing else") {
  struct Row {
    std::string what, json;
    bool is_one;
  };
  const Row rows[] = {
      {"an empty object", "{}", true},
      {"all kinds of values", R"({"a": [1, {"b": null}, "x"], "c": true, "size": 3})", true},
      {"blanks everywhere", " {\r\n\t\"a\" : \"b\" , \"c\" : 1.5e-3 } ", true},
      {"nothing", "", false},
      {"a list", "[]", false},
      {"a text", "\"{}\"", false},
      {"more than one", "{}{}", false},
      {"a comma too much", R"({"a": 1,})", false},
      {"a name without quotes", "{a: 1}", false},
      {"no value", R"({"a": })", false},
      {"a word that is none", R"({"a": nil})", false},
      {"a text without end", R"({"a": "b)", false},
      {"a line break in a text", "{\"a\": \"\n\"}", false},
      {"half a pair", R"({"a": "\ud800"})", false},
      {"the second half alone", R"({"a": "\udc00"})", false},
      {"an escape that is none", R"({"a": "\x"})", false},
      {"bytes that are no text", "{\"a\": \"\xff\"}", false},
      {"a size that is an object", R"({"size": {}})", false},
      {"far too deep", "{\"a\": " + std::string(1'000, '[') + std::string(1'000, ']') + "}", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(image::read_remote_image(row.json).has_value() == row.is_one);
  }
  const auto image = image::read_remote_image(
      R"({"status": "active", "size": 12, "hw_x": "\u00e4\ud83d\ude00\n", "hw_n": 1,)"
      R"( "img_signature": "s", "os_hash_algo": "sha512", "os_hash_value": "ab"})");
  REQUIRE(image);
  CHECK(image->status == "active");
  CHECK(image->size_bytes == 12);
  CHECK(image->sha512 == "ab");
  CHECK(image->properties({"hw_", "img_", "os_"}) ==
        std::map<std::string, std::string>{{"hw_x", "ä😀\n"}});
  CHECK(image->properties({""}).empty());
}

// Formats that are read from files, sockets and tokens.
#include <cstring>

#include "cloudos/policy.hpp"
#include "cloudosd/body_parser.hpp"
#include "cloudosd/head.hpp"
#include "clouds_yaml.hpp"
#include "codec/binary.hpp"
#include "compute/records.hpp"
#include "config/import.hpp"
#include "config/settings.hpp"
#include "fuzz/targets.hpp"
#include "identity/fernet.hpp"
#include "identity/policy_parse.hpp"
#include "identity/tokens.hpp"
#include "image/inspect.hpp"

namespace cloudos::fuzz {
namespace {

class MemoryReader final : public image::RandomReader {
 public:
  /// The size may claim more than there is, as a sparse file's does: the rest is zeros.
  MemoryReader(std::string_view bytes, std::uint64_t size) : bytes_(bytes), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= size_) return std::size_t{0};
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), size_ - offset);
    read_ += count;
    expect(read_ < (std::uint64_t{8} << 20), "an inspection reads a bounded part");
    std::memset(buffer.data(), 0, count);
    if (offset < bytes_.size())
      std::memcpy(buffer.data(), bytes_.data() + offset,
                  std::min<std::size_t>(count, bytes_.size() - offset));
    return count;
  }

 private:
  std::string_view bytes_;
  std::uint64_t size_;
  std::uint64_t read_ = 0;
};

}  // namespace

void run_image(std::string_view bytes) {
  for (const std::uint64_t size : {std::uint64_t{bytes.size()}, std::uint64_t{1} << 40}) {
    for (const bool ova : {false, true}) {
      MemoryReader reader(bytes, size);
      const auto found = image::inspect(reader, {.ova = ova});
      expect(found.has_value(), "hostile content is a problem, never an error");
      expect(!found->problem.empty() || (found->backing_file.empty() && found->data_file.empty()),
             "what names another file is a problem");
      for (const DiskFormat format : {DiskFormat::Raw, DiskFormat::Qcow2, DiskFormat::Vmdk})
        (void)image::check_content(*found, format);
    }
  }
}

/// Any text as a token, and any bytes as what a token of ours holds.
void run_token(std::string_view bytes) {
  static const identity::Fernet kFernet({{std::string(16, 's'), std::string(16, 'e')}});
  (void)kFernet.open(bytes);
  static SystemRandom random;
  const std::string sealed = kFernet.seal(bytes, 1'000'000, random);
  const auto opened = kFernet.open(sealed);
  expect(opened && *opened == bytes, "what was sealed opens as it was");
  (void)codec::decode_record<identity::TokenPayload>(bytes);
}

void run_policy(std::string_view bytes) {
  const auto rule = identity::parse_rule(bytes);
  if (rule) {
    const std::string text = identity::rule_text(*rule);
    const auto again = identity::parse_rule(text);
    expect(again.has_value(), "a rule written out is a rule");
    expect(identity::rule_text(*again) == text, "a rule written out stays as it is");
  }
  const auto policy = Policy::parse(bytes);
  if (policy) (void)policy->enforce(Context{}, "os_compute_api:servers:show");
}

void run_config(std::string_view bytes) {
  const config::Layer layer = config::read_text(bytes, "fuzz.conf");
  const config::Merged merged = config::merge(std::span(&layer, 1));
  if (merged.problems.empty()) {
    const std::string text = config::effective_text(merged.settings, true);
    const config::Layer again = config::read_text(text, "fuzz.conf");
    expect(again.problems.empty(), "effective settings are a configuration file");
  }
  for (const auto service : {config::Service::Nova, config::Service::Neutron,
                             config::Service::Keystone, config::Service::Glance}) {
    const config::ImportFile file{service, "fuzz.conf", std::string(bytes)};
    const config::Import result = config::import_files(std::span(&file, 1));
    const config::Layer made = config::read_text(result.file, "made.conf");
    expect(made.problems.empty(), "an imported file is one that can be read");
  }
}

void run_clouds_yaml(std::string_view bytes) {
  (void)cli::parse_clouds(bytes);
}

/// A head, and what follows it as the body.
void run_http_head(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  const std::string_view first = end == bytes.npos ? bytes : bytes.substr(0, end + 4);
  const auto parsed = cloudosd::parse_head(first);
  const auto* head = std::get_if<cloudosd::Head>(&parsed);
  if (!head) return;
  expect(head->method.find_first_of("\r\n ") == std::string::npos, "a method is one word");
  expect(head->target.find_first_of(std::string_view("\r\n \0", 4)) == std::string::npos,
         "a target has no line end");
  for (const auto& [name, value] : head->headers.all())
    expect((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
           "a field is one line");
  cloudosd::BodyParser parser;
  parser.begin(*head);
  std::string_view rest = bytes.substr(first.size());
  while (!parser.done()) {
    const auto step = parser.feed(rest);
    expect(step.consumed <= rest.size() && step.piece.size() <= step.consumed,
           "a step takes from what it was given");
    rest.remove_prefix(step.consumed);
    if (step.state == cloudosd::BodyParser::State::Bad) return;
    if (step.consumed == 0 && step.state == cloudosd::BodyParser::State::More) return;
  }
}

/// Any bytes as a record of the store; what is read is written as it was understood.
void run_record(std::string_view bytes) {
  const auto server = codec::decode_record<Server>(bytes);
  if (!server) return;
  const std::string written = codec::encode_record(*server, Server::kSchema);
  const auto again = codec::decode_record<Server>(written);
  expect(again.has_value(), "a record written is a record");
  expect(codec::encode_record(*again, Server::kSchema) == written, "and stays as it is");
}

}  // namespace cloudos::fuzz

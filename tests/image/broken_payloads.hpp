#pragma once
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "image/payload.hpp"

namespace image_test {

using namespace cloudos;

/// What is wrong with a store of payloads; changed by the test while others use it.
struct Harm {
  std::uint64_t unreadable_from = UINT64_MAX;  ///< Reads of bytes from here on fail.
  std::uint64_t ends_at = UINT64_MAX;          ///< Reads end here, as in a file that was cut.
  std::uint64_t flips = UINT64_MAX;            ///< This byte is another one.
  bool closed = false;                         ///< Nothing opens.
  std::uint64_t full_after = UINT64_MAX;       ///< Bytes that a payload takes.
  bool keeps = false;                          ///< Nothing can be removed.
  std::uint64_t bytes_read = 0;
  std::function<void()> during;  ///< Called once, amid a write.
};

class HarmedReader final : public image::RandomReader {
 public:
  HarmedReader(std::unique_ptr<image::RandomReader> real, std::shared_ptr<Harm> harm)
      : real_(std::move(real)), harm_(std::move(harm)) {}
  std::uint64_t size() const override { return real_->size(); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= harm_->unreadable_from) return fail(ErrorCode::Unavailable, "bad sector");
    if (offset >= harm_->ends_at) return std::size_t{0};
    const std::uint64_t most = std::min(harm_->unreadable_from, harm_->ends_at) - offset;
    if (buffer.size() > most) buffer = buffer.first(static_cast<std::size_t>(most));
    CLOUDOS_TRY(const std::size_t got, real_->read_at(offset, buffer));
    if (harm_->flips >= offset && harm_->flips < offset + got)
      buffer[static_cast<std::size_t>(harm_->flips - offset)] ^= std::byte{1};
    harm_->bytes_read += got;
    return got;
  }

 private:
  std::unique_ptr<image::RandomReader> real_;
  std::shared_ptr<Harm> harm_;
};

class HarmedWriter final : public image::PayloadWriter {
 public:
  HarmedWriter(std::unique_ptr<image::PayloadWriter> real, std::shared_ptr<Harm> harm)
      : real_(std::move(real)), harm_(std::move(harm)) {}
  Result<void> write(std::span<const std::byte> bytes) override {
    if (harm_->during) std::exchange(harm_->during, nullptr)();
    total_ += bytes.size();
    if (total_ > harm_->full_after) return fail(ErrorCode::StorageFull, "the disk is full");
    return real_->write(bytes);
  }
  image::RandomReader& written() override { return real_->written(); }
  Result<void> publish() override { return real_->publish(); }

 private:
  std::unique_ptr<image::PayloadWriter> real_;
  std::shared_ptr<Harm> harm_;
  std::uint64_t total_ = 0;
};

/// A store in front of another that does what its Harm says.
class HarmedPayloads final : public image::PayloadStore {
 public:
  HarmedPayloads(std::shared_ptr<image::PayloadStore> real, std::shared_ptr<Harm> harm)
      : real_(std::move(real)), harm_(std::move(harm)) {}
  Result<std::unique_ptr<image::PayloadWriter>> create(const ImageId& id) override {
    if (harm_->closed) return fail(ErrorCode::Unavailable, "the store is away");
    CLOUDOS_TRY(auto writer, real_->create(id));
    return std::unique_ptr<image::PayloadWriter>(
        std::make_unique<HarmedWriter>(std::move(writer), harm_));
  }
  Result<std::unique_ptr<image::RandomReader>> open(const ImageId& id) const override {
    if (harm_->closed) return fail(ErrorCode::Unavailable, "the store is away");
    CLOUDOS_TRY(auto reader, real_->open(id));
    return std::unique_ptr<image::RandomReader>(
        std::make_unique<HarmedReader>(std::move(reader), harm_));
  }
  Result<void> remove(const ImageId& id) override {
    if (harm_->keeps) return fail(ErrorCode::Unavailable, "the store is away");
    return real_->remove(id);
  }
  Result<std::vector<ImageId>> list() const override { return real_->list(); }
  std::filesystem::path path(const ImageId& id) const override { return real_->path(id); }

 private:
  std::shared_ptr<image::PayloadStore> real_;  // Outlives this life of the process.
  std::shared_ptr<Harm> harm_;
};

/// Stores that outlive the process, as disks do, each with what is wrong with it.
struct Disks {
  std::shared_ptr<image::PayloadStore> of(const std::string& name) {
    auto& disk = all[name];
    if (!disk) disk = image::open_payload_memory(64 << 20);
    return disk;
  }
  std::shared_ptr<Harm> harm_of(const std::string& name) {
    auto& harm = harms[name];
    if (!harm) harm = std::make_shared<Harm>();
    return harm;
  }
  std::unique_ptr<image::PayloadStore> open(const std::string& name) {
    return std::make_unique<HarmedPayloads>(of(name), harm_of(name));
  }
  bool has(const std::string& name, const ImageId& id) {
    const auto ids = of(name)->list();
    return ids && std::find(ids->begin(), ids->end(), id) != ids->end();
  }
  std::map<std::string, std::shared_ptr<image::PayloadStore>> all;
  std::map<std::string, std::shared_ptr<Harm>> harms;
};

}  // namespace image_test

#include "codec/binary.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace cloudos::codec {

namespace {

enum Wire : std::uint32_t { kNumber = 0, kBytes = 1 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

bool get_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

class Encoder final : public FieldVisitor {
 public:
  void text(Field field, std::string& value) override {
    if (!value.empty()) bytes(field, value);
  }
  void integer(Field field, std::int64_t& value) override {
    if (value == 0) return;
    put_varint(out_, field.number << 1 | kNumber);
    put_varint(out_, zigzag(value));
  }
  void real(Field field, double& value) override {
    if (value == 0) return;
    put_varint(out_, field.number << 1 | kNumber);
    put_varint(out_, std::bit_cast<std::uint64_t>(value));
  }
  void list(Field field, std::size_t count, const FunctionRef<void(std::size_t)>&,
            const FunctionRef<void(FieldVisitor&, std::size_t)>& element) override {
    if (count == 0) return;
    std::string all;
    put_varint(all, count);
    for (std::size_t i = 0; i < count; ++i) {
      Encoder one;
      element(one, i);
      put_varint(all, one.out_.size());
      all += one.out_;
    }
    bytes(field, all);
  }
  void nested(Field field, bool& present, const FunctionRef<void(FieldVisitor&)>& visit) override {
    if (!present) return;
    Encoder inner;
    visit(inner);
    bytes(field, inner.out_);
  }
  void unknown(std::string& kept) override { out_ += kept; }

  std::string take() { return std::move(out_); }

 private:
  void bytes(Field field, std::string_view value) {
    put_varint(out_, field.number << 1 | kBytes);
    put_varint(out_, value.size());
    out_ += value;
  }
  std::string out_;
};

/// Fields of one record, found by number; what nobody asks for is kept as unknown.
class Decoder final : public FieldVisitor {
 public:
  Decoder(std::string_view bytes, const char*& bad) : bad_(bad) {
    while (!bytes.empty()) {
      const char* const start = bytes.data();
      std::uint64_t tag = 0, number = 0;
      if (!get_varint(bytes, tag) || !get_varint(bytes, number)) {
        fault("cut off");
        return;
      }
      Slot slot{start, bytes.data(), number, static_cast<std::uint32_t>(tag >> 1),
                static_cast<Wire>(tag & 1), false};
      if (slot.wire == kBytes) {
        if (number > bytes.size()) {
          fault("a length is past the end");
          return;
        }
        bytes.remove_prefix(number);
      }
      keep(slot);
    }
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void text(Field field, std::string& value) override {
    if (const Slot* slot = take(field, kBytes)) value = slot->bytes();
    else value.clear();
  }
  void integer(Field field, std::int64_t& value) override {
    const Slot* slot = take(field, kNumber);
    value = slot ? unzigzag(slot->number) : 0;
  }
  void real(Field field, double& value) override {
    const Slot* slot = take(field, kNumber);
    value = slot ? std::bit_cast<double>(slot->number) : 0;
  }
  void list(Field field, std::size_t, const FunctionRef<void(std::size_t)>& resize,
            const FunctionRef<void(FieldVisitor&, std::size_t)>& element) override {
    const Slot* slot = take(field, kBytes);
    if (!slot) return resize(0);
    std::string_view in = slot->bytes();
    std::uint64_t count = 0;
    // Each element takes a byte at least: a count beyond that is a lie, refused before it costs.
    if (!get_varint(in, count) || count > in.size()) return fault("a list's count is wrong");
    resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t size = 0;
      if (!get_varint(in, size) || size > in.size()) return fault("a list is cut off");
      Decoder one(in.substr(0, size), bad_);
      element(one, i);
      in.remove_prefix(size);
    }
  }
  void nested(Field field, bool& present, const FunctionRef<void(FieldVisitor&)>& visit) override {
    const Slot* slot = take(field, kBytes);
    present = slot != nullptr;
    if (!slot) return;
    Decoder inner(slot->bytes(), bad_);
    visit(inner);
  }
  void unknown(std::string& kept) override {
    kept.clear();
    for (const Slot& slot : slots())
      if (!slot.taken) kept += slot.whole();
  }

 private:
  struct Slot {
    const char* start;     // Of the tag.
    const char* value;     // Behind the number: where its bytes are, if it has any.
    std::uint64_t number;  // The value, or how many bytes it has.
    std::uint32_t field;
    Wire wire;
    bool taken;
    std::string_view bytes() const { return {value, number}; }
    std::string_view whole() const {
      return {start, static_cast<std::size_t>(value - start) + (wire == kBytes ? number : 0)};
    }
  };
  std::span<Slot> slots() { return many_.empty() ? std::span(few_.data(), count_) : many_; }

  /// A number that comes again replaces what it was.
  void keep(const Slot& slot) {
    const auto known = slots();
    if (!known.empty() && known.back().field >= slot.field) ascending_ = false;
    if (!ascending_) {
      const auto at = std::find_if(known.begin(), known.end(),
                                   [&](const Slot& other) { return other.field == slot.field; });
      if (at != known.end()) {
        *at = slot;
        return;
      }
    }
    if (count_ == few_.size()) many_.assign(few_.begin(), few_.end());
    if (count_ < few_.size()) few_[count_] = slot;
    else many_.push_back(slot);
    ++count_;
  }
  /// Records ask for their fields in the order they wrote them: the next slot is mostly the one,
  /// or, when it is of a later field, there is none.
  const Slot* take(Field field, Wire wire) {
    const auto all = slots();
    std::size_t at = next_;
    if (at >= all.size() || all[at].field != field.number) {
      const bool behind = at == 0 || all[at - 1].field < field.number;
      const bool before = at == all.size() || all[at].field > field.number;
      if (ascending_ && behind && before) return nullptr;
      at = 0;
      while (at < all.size() && all[at].field != field.number) ++at;
      if (at == all.size()) return nullptr;
    }
    next_ = at + 1;
    all[at].taken = true;
    if (all[at].wire == wire) return &all[at];
    fault("a field has another type");
    return nullptr;
  }
  void fault(const char* what) { bad_ = what; }

  const char*& bad_;
  std::array<Slot, 24> few_;  // Not initialised: most records have fewer fields.
  std::vector<Slot> many_;    // All of them, once there are more.
  std::size_t count_ = 0;
  bool ascending_ = true;
  std::size_t next_ = 0;  // Behind the one taken last.
};

}  // namespace

std::string encode(std::uint32_t schema_version, const Visit& visit) {
  Encoder encoder;
  visit(encoder);
  std::string out;
  put_varint(out, schema_version);
  return out + encoder.take();
}

std::string_view text_of(std::string_view bytes, std::uint32_t number) {
  std::uint64_t tag = 0, value = 0;
  std::string_view found;
  if (!get_varint(bytes, value)) return found;  // The schema.
  while (!bytes.empty()) {
    if (!get_varint(bytes, tag) || !get_varint(bytes, value)) return {};
    if ((tag & 1) != kBytes) continue;
    if (value > bytes.size()) return {};
    if (tag >> 1 == number) found = bytes.substr(0, value);
    bytes.remove_prefix(value);
  }
  return found;
}

std::uint32_t stored_schema(std::string_view bytes) {
  std::uint64_t version = 0;
  return get_varint(bytes, version) && version <= UINT32_MAX ? static_cast<std::uint32_t>(version)
                                                             : 0;
}

Failure newer_schema(std::string_view kind, std::uint32_t theirs,
                                   std::uint32_t ours) {
  return fail(ErrorCode::Unsupported,
              fmt::format("the data folder was used by a newer version of this program: it has "
                          "records of kind '{}' with schema {}, this one reads up to {}; nothing "
                          "was changed: run that version again, or restore the backup that was "
                          "made before it",
                          kind, theirs, ours));
}

Result<std::uint32_t> decode(std::string_view bytes, const Visit& visit) {
  std::uint64_t version = 0;
  const char* bad = nullptr;
  if (!get_varint(bytes, version) || version > UINT32_MAX) {
    bad = "no schema version";
  } else {
    Decoder decoder(bytes, bad);
    if (!bad) visit(decoder);
  }
  if (bad) {
    return fail(ErrorCode::Internal, "a stored record cannot be read",
                fmt::format("decoding {} bytes: {}", bytes.size(), bad));
  }
  return static_cast<std::uint32_t>(version);
}

}  // namespace cloudos::codec

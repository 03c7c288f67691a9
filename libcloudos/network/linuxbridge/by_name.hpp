#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "network/linuxbridge/side_by_side.hpp"

namespace cloudos::network::linuxbridge {

/// Values by name, in pieces that copies share until one of the copies changes them: a table of
/// thousands of chains is copied, and compared with its copy, at every change of a few.
///
/// What operator[] refers to is the owner's alone until the next copy is made. One thread at a time,
/// with all copies: whether a piece is shared is asked without a lock.
template <class Value>
class ByName {
 public:
  using Piece = std::map<std::string, Value>;

  bool empty() const {
    for (const auto& piece : pieces_)
      if (piece && !piece->empty()) return false;
    return true;
  }
  /// Null: none of that name.
  const Value* find(const std::string& name) const {
    const auto& piece = pieces_[place(name)];
    if (!piece) return nullptr;
    const auto found = piece->find(name);
    return found == piece->end() ? nullptr : &found->second;
  }
  std::size_t count(const std::string& name) const { return find(name) == nullptr ? 0 : 1; }
  const Value& at(const std::string& name) const {
    const Value* found = find(name);
    if (found == nullptr) throw std::out_of_range("no " + name);
    return *found;
  }
  Value& operator[](const std::string& name) { return own(place(name))[name]; }
  void try_emplace(const std::string& name, Value value) {
    if (count(name) == 0) own(place(name)).emplace(name, std::move(value));
  }
  void erase(const std::string& name) {
    if (count(name) > 0) own(place(name)).erase(name);
  }
  /// Each name and its value; the same ones in the same order, whatever was done before.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& piece : pieces_) {
      if (!piece) continue;
      for (const auto& [name, value] : *piece) visit(name, value);
    }
  }
  /// side_by_side() of what two may differ in: what they share is left out.
  template <class Visit>
  static void differences(const ByName& first, const ByName& second, Visit visit) {
    static const Piece kNone;
    for (std::size_t i = 0; i < kPieces; ++i) {
      const auto& a = first.pieces_[i];
      const auto& b = second.pieces_[i];
      if (a != b) side_by_side(a ? *a : kNone, b ? *b : kNone, visit);
    }
  }

 private:
  static constexpr std::size_t kPieces = 64;
  static std::size_t place(const std::string& name) {
    return std::hash<std::string>()(name) % kPieces;
  }
  Piece& own(std::size_t place) {
    auto& piece = pieces_[place];
    if (!piece || piece.use_count() > 1)
      piece = piece ? std::make_shared<Piece>(*piece) : std::make_shared<Piece>();
    return *piece;
  }
  std::array<std::shared_ptr<Piece>, kPieces> pieces_;  // Shared, and never changed while they are.
};

}  // namespace cloudos::network::linuxbridge

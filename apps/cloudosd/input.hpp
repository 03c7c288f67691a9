#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace cloudosd {

/// Bytes received and not yet used.
class Input {
 public:
  std::string_view view() const { return std::string_view(bytes_).substr(at_); }
  bool empty() const { return at_ == bytes_.size(); }
  void append(std::string_view bytes) {
    if (at_ > 0) {
      bytes_.erase(0, at_);
      at_ = 0;
    }
    bytes_.append(bytes);
  }
  void consume(std::size_t count) {
    at_ += count;
    if (at_ < bytes_.size()) return;
    bytes_.clear();
    at_ = 0;
  }
  /// Gives memory back when nothing is held.
  void shrink() {
    if (empty()) std::string().swap(bytes_);
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace cloudosd

#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/function_ref.hpp"
#include "cloudos/ids.hpp"

/// One description per record serves every encoding:
///
///   void fields(codec::FieldVisitor& v, Flavor& f) {
///     v.field({1, "id"}, f.id);
///     v.field({2, "name"}, f.name);
///     v.field({3, "ram_mib"}, f.ram_mib);
///     v.unknown(f.unknown);              // std::string: fields a newer version wrote
///   }
///
/// Numbers are never re-used nor re-typed. Absent fields keep the default of the struct.
namespace cloudos::codec {

struct Field {
  std::uint32_t number;   ///< 1 .. 2^20
  std::string_view name;  ///< For JSON and messages; not stored.
};

/// The verbs of a visitor; everything else is made of them. A visitor either reads the values
/// (encoding) or assigns them (decoding).
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  virtual void text(Field field, std::string& value) = 0;
  virtual void integer(Field field, std::int64_t& value) = 0;
  virtual void real(Field field, double& value) = 0;
  /// A list of `count` elements; `element(i)` visits element i as fields of its own. When decoding,
  /// `resize` is called first.
  virtual void list(Field field, std::size_t count, const FunctionRef<void(std::size_t)>& resize,
                    const FunctionRef<void(FieldVisitor&, std::size_t)>& element) = 0;
  /// A nested record; `present` is set when decoding found one.
  virtual void nested(Field field, bool& present,
                      const FunctionRef<void(FieldVisitor&)>& visit) = 0;
  /// Bytes of fields this version does not know, kept so that they survive a round trip.
  virtual void unknown(std::string& bytes) = 0;

  template <class T>
  void field(Field f, T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      text(f, value);
    } else if constexpr (std::is_same_v<T, double>) {
      real(f, value);
    } else if constexpr (std::is_same_v<T, WallTime>) {
      std::int64_t micros = value.time_since_epoch().count();
      integer(f, micros);
      value = WallTime{std::chrono::microseconds{micros}};
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      auto number = static_cast<std::int64_t>(value);
      integer(f, number);
      value = static_cast<T>(number);
    } else {
      complex(f, value);
    }
  }

 private:
  template <class Tag>
  void complex(Field f, Id<Tag>& id) { text(f, id.value); }
  template <class T>
  void complex(Field f, std::optional<T>& value) {
    bool present = value.has_value();
    if (!present) value.emplace();
    nested(f, present, [&](FieldVisitor& v) { v.field({1, "value"}, *value); });
    if (!present) value.reset();
  }
  template <class T>
  void complex(Field f, std::vector<T>& values) {
    list(f, values.size(), [&](std::size_t n) { values.resize(n); },
         [&](FieldVisitor& v, std::size_t i) { v.field({1, "value"}, values[i]); });
  }
  template <class T>
  void complex(Field f, std::set<T>& values) {
    std::vector<T> flat(values.begin(), values.end());
    complex(f, flat);
    values = std::set<T>(flat.begin(), flat.end());
  }
  template <class K, class V>
  void complex(Field f, std::map<K, V>& values) {
    std::vector<std::pair<K, V>> flat(values.begin(), values.end());
    list(f, flat.size(), [&](std::size_t n) { flat.resize(n); },
         [&](FieldVisitor& v, std::size_t i) {
           v.field({1, "key"}, flat[i].first);
           v.field({2, "value"}, flat[i].second);
         });
    values.clear();
    for (auto& entry : flat) values.insert(std::move(entry));
  }
  template <class T>
  void complex(Field f, T& record) {
    bool present = true;
    nested(f, present, [&](FieldVisitor& v) { fields(v, record); });
  }
};

}  // namespace cloudos::codec

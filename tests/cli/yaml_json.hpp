#pragma once
#include <yaml.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

/// YAML as JSON by libyaml: what another program reads out of ours.
namespace cli_test {

class YamlReader {
 public:
  explicit YamlReader(const std::string& text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~YamlReader() { yaml_parser_delete(&parser_); }
  YamlReader(const YamlReader&) = delete;
  YamlReader& operator=(const YamlReader&) = delete;

  /// Nothing: it is not YAML.
  std::optional<nlohmann::json> read() {
    yaml_document_t document;
    if (!yaml_parser_load(&parser_, &document)) return std::nullopt;
    yaml_node_t* root = yaml_document_get_root_node(&document);
    nlohmann::json out = root ? value_of(document, *root) : nlohmann::json();
    yaml_document_delete(&document);
    return out;
  }

 private:
  static nlohmann::json value_of(yaml_document_t& document, const yaml_node_t& node) {
    if (node.type == YAML_SEQUENCE_NODE) {
      auto out = nlohmann::json::array();
      for (auto* i = node.data.sequence.items.start; i < node.data.sequence.items.top; ++i)
        out.push_back(value_of(document, *yaml_document_get_node(&document, *i)));
      return out;
    }
    if (node.type == YAML_MAPPING_NODE) {
      auto out = nlohmann::json::object();
      for (auto* p = node.data.mapping.pairs.start; p < node.data.mapping.pairs.top; ++p)
        out[value_of(document, *yaml_document_get_node(&document, p->key)).get<std::string>()] =
            value_of(document, *yaml_document_get_node(&document, p->value));
      return out;
    }
    const std::string text(reinterpret_cast<const char*>(node.data.scalar.value),
                           node.data.scalar.length);
    if (node.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return text;
    // What a plain word stands for, as the core schema has it.
    auto guess = nlohmann::json::parse(text, nullptr, false);
    return guess.is_discarded() ? nlohmann::json(text) : guess;
  }

  yaml_parser_t parser_{};
};

/// RFC 4180: rows of cells. Nothing: a quote is left open, or stands where none may.
inline std::optional<std::vector<std::vector<std::string>>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::size_t at = 0;
  while (at < text.size()) {
    auto& row = rows.emplace_back();
    while (true) {
      std::string cell;
      if (at < text.size() && text[at] == '"') {
        for (++at;; ++at) {
          if (at >= text.size()) return std::nullopt;
          if (text[at] == '"' && at + 1 < text.size() && text[at + 1] == '"')
            ++at;
          else if (text[at] == '"')
            break;
          cell += text[at];
        }
        ++at;
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n') {
          if (text[at] == '"') return std::nullopt;
          cell += text[at++];
        }
      }
      row.push_back(cell);
      if (at >= text.size()) return std::nullopt;  // Each row ends its line.
      if (text[at++] == '\n') break;
    }
  }
  return rows;
}

}  // namespace cli_test

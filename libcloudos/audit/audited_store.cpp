#include "audit/audited_store.hpp"

#include <algorithm>
#include <vector>

#include "audit/resources.hpp"
#include "audit/row.hpp"
#include "base/actor.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "codec/binary.hpp"

namespace cloudos::audit {
namespace {

/// The id in a key: what records::key_part escaped.
std::string unescaped(std::string_view part) {
  if (part.find('%') == std::string_view::npos) return std::string(part);
  std::string id;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto byte =
        part[i] == '%' && i + 2 < part.size() ? from_hex(part.substr(i + 1, 2)) : std::nullopt;
    id += byte && byte->size() == 1 ? static_cast<char>((*byte)[0]) : part[i];
    if (byte && byte->size() == 1) i += 2;
  }
  return id;
}

/// The texts of a list in a record's bytes.
std::vector<std::string> texts_in(std::string_view bytes, std::uint32_t field) {
  std::vector<std::string> texts;
  const auto read = codec::decode(
      bytes, [&](codec::FieldVisitor& v) { v.field({field, "attached"}, texts); });
  return read ? texts : std::vector<std::string>();
}

/// A transaction that remembers which resources were written.
class NotingTxn final : public store::Txn {
 public:
  /// `updates`: note those too that only change.
  NotingTxn(store::Txn& inner, bool updates) : inner_(inner), updates_(updates) {}

  std::optional<std::string_view> get(std::string_view key) override { return inner_.get(key); }
  bool none(std::string_view prefix) override { return inner_.none(prefix); }

  void put(std::string_view key, std::string_view value) override {
    std::string_view id;
    if (const Resource* const resource = resource_of_key(key, id))
      note_put(*resource, id, key, value);
    inner_.put(key, value);
  }
  void erase(std::string_view key) override {
    std::string_view id;
    if (const Resource* const resource = resource_of_key(key, id)) note_erase(*resource, id, key);
    inner_.erase(key);
  }

  std::vector<RowTarget> take() {
    std::vector<RowTarget> targets;
    targets.reserve(notes_.size());
    for (Note& note : notes_)
      if (note.counts) targets.push_back(std::move(note.target));
    return targets;
  }

 private:
  struct Note {
    const Resource* resource;
    std::string key_id;
    bool counts;
    RowTarget target;
    std::map<std::uint32_t, std::vector<std::string>> before{};  // Lists, by their field.
  };

  Note* find(const Resource& resource, std::string_view id) {
    const auto at = std::find_if(notes_.begin(), notes_.end(), [&](const Note& note) {
      return note.resource == &resource && note.key_id == id;
    });
    return at == notes_.end() ? nullptr : &*at;
  }

  void note_put(const Resource& resource, std::string_view id, std::string_view key,
                std::string_view value) {
    if (Note* const known = find(resource, id)) {
      const bool again = known->target.action == AuditAction::Delete;
      if (again) known->target.action = AuditAction::Update;
      known->counts = known->target.action == AuditAction::Create || updates_;
      describe(*known, value);
      return;
    }
    const auto old = inner_.get(key);
    if (old && !updates_) return;
    Note& note = add(resource, id, old ? AuditAction::Update : AuditAction::Create);
    if (old) remember(note, *old);
    describe(note, value);
  }

  void note_erase(const Resource& resource, std::string_view id, std::string_view key) {
    if (Note* const known = find(resource, id)) {
      known->counts = known->target.action == AuditAction::Update;  // Made and erased: nothing.
      known->target.action = AuditAction::Delete;
      return;
    }
    const auto value = inner_.get(key);
    if (value) describe(add(resource, id, AuditAction::Delete), *value);
  }

  Note& add(const Resource& resource, std::string_view id, AuditAction action) {
    Note& note = notes_.emplace_back();
    note.resource = &resource;
    note.key_id = id;
    note.counts = true;
    note.target.action = action;
    note.target.kind = resource.kind;
    note.target.id = unescaped(id);
    return note;
  }

  /// What lists held before the change.
  static void remember(Note& note, std::string_view before) {
    for (const Attached& row : note.resource->attached)
      if (row.list) note.before[row.field] = texts_in(before, row.field);
  }

  static void attach(Note& note, std::string_view value) {
    for (const Attached& row : note.resource->attached) {
      const std::string name(row.name);
      if (!row.list) {
        const auto text = codec::text_of(value, row.field);
        if (!text.empty()) note.target.attached[name] = short_text(text);
        continue;
      }
      const auto now = texts_in(value, row.field);
      note.target.attached[name] = joined(now, {});
      const auto before = note.before.find(row.field);
      if (before == note.before.end()) continue;
      note.target.attached[name + "_added"] = joined(now, before->second);
      note.target.attached[name + "_removed"] = joined(before->second, now);
      std::erase_if(note.target.attached, [](const auto& each) { return each.second.empty(); });
    }
  }

  /// "a,b": those of `list` that `without` has not.
  static std::string joined(const std::vector<std::string>& list,
                            const std::vector<std::string>& without) {
    std::string text;
    for (const std::string& each : list) {
      if (std::find(without.begin(), without.end(), each) != without.end()) continue;
      text += (text.empty() ? "" : ",") + each;
    }
    return short_text(text);
  }

  static void describe(Note& note, std::string_view value) {
    attach(note, value);
    if (note.resource->name)
      note.target.name = short_text(codec::text_of(value, note.resource->name));
    if (note.resource->project)
      note.target.project.value = codec::text_of(value, note.resource->project);
  }

  store::Txn& inner_;
  const bool updates_;
  std::vector<Note> notes_;
};

void tell_initiator(Row& row, const Actor& actor) {
  if (actor.caller) {
    row.user = actor.caller->user;
    row.user_domain = actor.caller->user_domain;
    row.domain = actor.caller->domain;
    row.project = actor.caller->project;
    row.system_scope = actor.caller->system_scope;
    row.request_id = actor.caller->request_id;
  } else {
    row.user = actor.user;
    row.user_domain = actor.user_domain;
    row.domain = actor.domain;
    row.project = actor.project;
    row.system_scope = actor.system_scope;
    row.request_id = actor.request_id;
  }
  row.address = actor.address;
  row.agent = actor.agent;
  row.operation = actor.operation;
  row.path = short_text(actor.path);
}

}  // namespace

AuditedStore::AuditedStore(store::Store& inner, const Clock& clock, IdSource& ids, Metrics* metrics)
    : inner_(inner),
      clock_(clock),
      ids_(ids),
      events_(metrics ? &metrics->counter("cloudos_audit_events_total",
                                          "Events recorded in the audit log, by kind.",
                                          {{"kind", "change"}})
                      : nullptr) {}

Result<store::Revision> AuditedStore::transact(const store::Body& body) {
  struct Commit {
    const store::Body& body;
    const Actor& actor;  // Of this thread, which waits while another may run the body.
    AuditedStore& self;
    const Work* work;  // Of this thread too: a task's step belongs to the request it came from.
    bool wrote = false;

    Result<void> run(store::Txn& txn) {
      wrote = false;
      NotingTxn noting(txn, actor.kind == Actor::Kind::Edge || actor.told);
      CLOUDOS_CHECK(body(noting));
      ChangeRow row;
      row.targets = noting.take();
      if (row.targets.empty()) return Result<void>();
      row.id = self.ids_.uuid();
      row.generation = 1;
      row.time = self.clock_.wall();
      tell_initiator(row, actor);
      if (row.request_id.empty() && work) row.request_id = work->request_id;
      txn.put(records::record_key(ChangeRow::kKind, row.id),
              codec::encode_record(row, ChangeRow::kSchema));
      wrote = true;
      return Result<void>();
    }
  } commit{body, current_actor(), *this, current_work()};
  auto done = inner_.transact([&commit](store::Txn& txn) { return commit.run(txn); });
  if (!done || !commit.wrote) return done;
  if (events_) events_->add();
  if (written_.fetch_add(1, std::memory_order_relaxed) + 1 == limits::kAuditSlack && many_) many_();
  return done;
}

}  // namespace cloudos::audit

#include "network/linuxbridge/nft.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "network/linuxbridge/names.hpp"

namespace cloudos::network::linuxbridge {
namespace {

/// The first line of what libnftables complains about, for the message.
std::string first_line(const char* text) {
  if (text == nullptr) return "no reason given";
  const std::string all(text);
  return all.substr(0, all.find('\n'));
}

NetlinkMessage nf_message(int subsystem, int type, std::uint16_t flags, std::uint8_t family) {
  NetlinkMessage message(static_cast<std::uint16_t>((subsystem << 8) | type), flags);
  nfgenmsg head{};
  head.nfgen_family = family;
  head.version = NFNETLINK_V0;
  message.header(head);
  return message;
}

const char* nf_attrs(const nlmsghdr& message) {
  return static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(nfgenmsg));
}
std::size_t nf_attrs_size(const nlmsghdr& message) {
  return message.nlmsg_len - NLMSG_LENGTH(sizeof(nfgenmsg));
}

/// Source and destination of one direction of a flow.
std::set<std::string> flow_addresses(const char* data, std::size_t size) {
  std::set<std::string> out;
  each_attr(data, size, [&](std::uint16_t type, const char* ip, std::size_t n) {
    if (type != CTA_TUPLE_IP) return;
    each_attr(ip, n, [&](std::uint16_t kind, const char* raw, std::size_t bytes) {
      const bool v4 = kind == CTA_IP_V4_SRC || kind == CTA_IP_V4_DST;
      if (bytes != (v4 ? 4U : 16U)) return;
      std::array<char, INET6_ADDRSTRLEN> text{};
      inet_ntop(v4 ? AF_INET : AF_INET6, raw, text.data(), text.size());
      out.insert(text.data());
    });
  });
  return out;
}

struct Flow {
  std::string tuple;  ///< CTA_TUPLE_ORIG as the kernel gave it, to name the flow with.
  std::uint16_t zone = 0;
  std::string id;
  std::uint8_t family = AF_INET;
};

/// Single addresses are found at once, prefixes one by one.
class FlowOwners {
 public:
  explicit FlowOwners(const std::set<FlowOwner>& owners) : owners_(owners) {
    for (const auto& owner : owners) {
      const auto prefix = parse_ip_prefix(owner.address);
      if (prefix && !prefix->host()) prefixes_.emplace_back(owner.zone, *prefix);
    }
  }
  bool has(int zone, const std::string& address) const {
    if (owners_.count({zone, address}) > 0) return true;
    const bool v6 = address.find(':') != std::string::npos;
    return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const auto& one) {
      if (one.first != zone || one.second.v6 != v6) return false;
      const auto within = parse_ip_prefix(fmt::format("{}/{}", address, one.second.length));
      return within && within->network == one.second.network;
    });
  }

 private:
  const std::set<FlowOwner>& owners_;
  std::vector<std::pair<int, IpPrefix>> prefixes_;
};

std::optional<Flow> read_flow(const nlmsghdr& message, const FlowOwners& owners) {
  Flow flow;
  nfgenmsg head{};
  std::memcpy(&head, NLMSG_DATA(&message), sizeof head);
  flow.family = head.nfgen_family;
  std::set<std::string> addresses;
  each_attr(nf_attrs(message), nf_attrs_size(message),
            [&](std::uint16_t type, const char* data, std::size_t n) {
              if (type == CTA_TUPLE_ORIG) flow.tuple.assign(data, n);
              if (type == CTA_TUPLE_ORIG || type == CTA_TUPLE_REPLY) {
                addresses.merge(flow_addresses(data, n));
              }
              if (type == CTA_ID) flow.id.assign(data, n);
              if (type == CTA_ZONE && n >= 2) {
                std::uint16_t zone = 0;
                std::memcpy(&zone, data, sizeof zone);
                flow.zone = ntohs(zone);
              }
            });
  for (const auto& address : addresses) {
    if (owners.has(flow.zone, address)) return flow;
  }
  return std::nullopt;
}

/// How many flows are tracked in this namespace, by one question; nothing when it is not told.
std::optional<std::uint32_t> flows_tracked(Netlink& netlink) {
  // The answer says that more will follow and nothing does: only what confirms it comes last.
  auto message = nf_message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC);
  std::optional<std::uint32_t> count;
  const int error = netlink.dump(message, [&](const nlmsghdr& answer) {
    each_attr(nf_attrs(answer), nf_attrs_size(answer),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                std::uint32_t entries = 0;
                if (type != CTA_STATS_GLOBAL_ENTRIES || n < sizeof entries) return;
                std::memcpy(&entries, data, sizeof entries);
                count = ntohl(entries);
              });
  });
  return error == 0 ? count : std::nullopt;
}

/// One walk for both families: the kernel looks at every place there is for a flow, which takes it
/// milliseconds however few there are.
Result<void> forget_listed(Netlink& netlink, const FlowOwners& owners) {
  auto dump = nf_message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
  std::vector<Flow> flows;
  int error = netlink.dump(dump, [&](const nlmsghdr& answer) {
    if (auto flow = read_flow(answer, owners)) flows.push_back(std::move(*flow));
  });
  for (const auto& flow : flows) {
    if (error != 0) break;
    auto message = nf_message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, flow.family);
    message.attr(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.tuple.data(), flow.tuple.size());
    if (flow.zone != 0) {
      const std::uint16_t zone = htons(flow.zone);
      message.attr(CTA_ZONE, &zone, sizeof zone);
    }
    message.attr(CTA_ID, flow.id.data(), flow.id.size());
    error = netlink.execute(message);
    if (error == ENOENT) error = 0;  // It ended meanwhile.
  }
  if (error != 0) {
    return fail(ErrorCode::Unavailable,
                std::string("connection tracking does not answer: ") + std::strerror(error));
  }
  return Result<void>();
}

}  // namespace

void Nft::Free::operator()(nft_ctx* context) const {
  nft_ctx_free(context);
}

Result<Nft> Nft::open() {
  std::unique_ptr<nft_ctx, Free> context(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context) return fail(ErrorCode::Unavailable, "cannot open nftables");
  nft_ctx_buffer_output(context.get());
  nft_ctx_buffer_error(context.get());
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
  CLOUDOS_TRY(auto netlink, Netlink::open(NETLINK_NETFILTER));
  return Nft(std::move(context), std::move(netlink));
}

Result<void> Nft::run(const std::string& commands) {
  if (commands.empty()) return Result<void>();
  const int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  nft_ctx_get_output_buffer(context_.get());  // Reading empties it.
  const char* complaint = nft_ctx_get_error_buffer(context_.get());
  if (failed == 0) return Result<void>();
  return fail(ErrorCode::Unavailable, "nftables refused a change: " + first_line(complaint),
              complaint == nullptr ? "" : complaint);
}

Result<std::string> Nft::list(const std::string& family, const std::string& table) {
  // Listing a table that is not there is an error like any other, so the names are asked first.
  if (nft_run_cmd_from_buffer(context_.get(), ("list tables " + family).c_str()) != 0) {
    return fail(ErrorCode::Unavailable, "nftables does not list tables: " +
                                            first_line(nft_ctx_get_error_buffer(context_.get())));
  }
  const char* tables = nft_ctx_get_output_buffer(context_.get());
  const std::string wanted = "table " + family + " " + table + "\n";
  if (tables == nullptr || std::string_view(tables).find(wanted) == std::string_view::npos) {
    return std::string();
  }
  const int failed =
      nft_run_cmd_from_buffer(context_.get(), ("list table " + family + " " + table).c_str());
  const char* text = nft_ctx_get_output_buffer(context_.get());
  std::string out = text == nullptr ? "" : text;
  const char* complaint = nft_ctx_get_error_buffer(context_.get());
  if (failed != 0) {
    return fail(ErrorCode::Unavailable, "nftables does not list a table: " + first_line(complaint));
  }
  return out;
}

Result<std::uint32_t> Nft::generation() {
  auto message = nf_message(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, AF_UNSPEC);
  std::uint32_t generation = 0;
  const int error = netlink_.dump(message, [&](const nlmsghdr& answer) {
    each_attr(nf_attrs(answer), nf_attrs_size(answer),
              [&](std::uint16_t type, const char* data, std::size_t n) {
                if (type != NFTA_GEN_ID || n < sizeof generation) return;
                std::memcpy(&generation, data, sizeof generation);
                generation = ntohl(generation);
              });
  });
  if (error != 0) {
    return fail(ErrorCode::Unavailable,
                std::string("nftables does not answer: ") + std::strerror(error));
  }
  return generation;
}

Result<void> Nft::forget_flows(const std::set<FlowOwner>& owners) {
  if (owners.empty() || flows_tracked(netlink_) == 0U) return Result<void>();
  return forget_listed(netlink_, FlowOwners(owners));
}

}  // namespace cloudos::network::linuxbridge

// Signed EC2 and S3 requests, as services show them.
#include "base/text.hpp"
#include "cloudos/credentials.hpp"
#include "fuzz/targets.hpp"
#include "identity/credential_records.hpp"
#include "identity/ec2_signature.hpp"

namespace cloudos::fuzz {
namespace {

/// A line a part: host, verb, path, body hash, access; "p name value" and "h name value".
SignedRequest request_of(std::string_view bytes) {
  SignedRequest request;
  std::string* const parts[] = {&request.host, &request.verb, &request.path, &request.body_hash,
                                &request.access};
  std::size_t part = 0;
  for (const std::string_view line : split(bytes, '\n')) {
    if (line.starts_with("p ") || line.starts_with("h ")) {
      const auto mark = line.find(' ', 2);
      const std::string name(line.substr(2, mark == line.npos ? mark : mark - 2));
      const std::string value(mark == line.npos ? std::string_view() : line.substr(mark + 1));
      (line[0] == 'p' ? request.params : request.headers)[name] = value;
    } else if (part < std::size(parts)) {
      *parts[part++] = line;
    }
  }
  return request;
}

}  // namespace

void run_signature(std::string_view bytes) {
  if (bytes.size() > 65'536) return;
  const SignedRequest request = request_of(bytes);
  const auto one = identity::ec2_signature(request, request.host, "a secret");
  const auto same = identity::ec2_signature(request, request.host, "a secret");
  const auto other = identity::ec2_signature(request, request.host, "another secret");
  expect(one.has_value() == same.has_value() && one.has_value() == other.has_value(),
         "whether a request can be signed is no matter of the secret");
  if (one) {
    expect(one->text == same->text, "one request has one signature");
    expect(one->text != other->text, "another secret makes another signature");
    expect(one->text.size() >= 28, "a signature is a whole digest");
  }
  const std::string query = identity::canonical_query(request.params);
  for (const char c : query) expect(c > ' ' && c < 0x7f, "a canonical query is printable ASCII");
  SignedRequest s3;
  s3.string_to_sign = bytes;
  if (const auto made = identity::s3_signature(s3, "a secret"))
    expect(made->text != identity::s3_signature(s3, "another secret")->text,
           "another secret makes another S3 signature");
  identity::read_signing_time(bytes);
  identity::read_totp_secret(bytes);
}

}  // namespace cloudos::fuzz

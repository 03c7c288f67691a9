# Prints every string of a JSON document as "path<TAB>value", e.g. "public_keys.mine<TAB>ssh-…".
# Elements of lists all have the path of their list.

function unescape(text,    out, at, letter) {
  out = ""
  while ((at = index(text, "\\")) > 0) {
    out = out substr(text, 1, at - 1)
    letter = substr(text, at + 1, 1)
    if (letter == "n" || letter == "r" || letter == "t") out = out " "
    else if (letter == "u") { out = out "?"; at += 4 }
    else out = out letter
    text = substr(text, at + 2)
  }
  out = out text
  sub(/ +$/, "", out)
  return out
}

{ document = document $0 " " }

END {
  depth = 0
  while (document != "") {
    mark = substr(document, 1, 1)
    if (mark == "\"") {
      match(document, /^"([^"\\]|\\.)*"/)
      text = unescape(substr(document, 2, RLENGTH - 2))
      document = substr(document, RLENGTH + 1)
      if (document ~ /^[ \t]*:/) { key[depth] = text; continue }
      path = ""
      for (i = 1; i <= depth; i++)
        if (key[i] != "") path = path (path == "" ? "" : ".") key[i]
      print path "\t" text
      continue
    }
    if (mark == "{" || mark == "[") key[++depth] = ""
    if (mark == "}" || mark == "]") depth--
    document = substr(document, 2)
  }
}

namespace DataLayer.Tests.Access;

/// <summary>What people send who want out: of a folder, of a query, of a log line, of a buffer.</summary>
internal static class HostileStrings
{
    /// <summary>The strings; some name a folder that must stay as it is.</summary>
    /// <param name="outside">An absolute folder outside of every root.</param>
    public static IReadOnlyList<string> All(string outside) =>
    [
        "..", ".", "../", "./", "../..", "../../..", "../../../../../../../../etc/passwd", "..\\..\\x", "....//....//x", "..;/x",
        "a/../../x", "a/./b", "a//b", "//", "///etc/passwd", "/", "/..", "/../../etc/shadow", "/etc/passwd", "/proc/self/environ",
        "/proc/self/root/etc/passwd", "/dev/zero", "/sys/kernel", outside, outside + "/sentinel", outside + "/new", "../outside/new",
        "../outside/sentinel", "x/../../outside/new", "~", "~root/x", "$HOME", "${HOME}", "`id`", "$(touch " + outside + "/new)",
        "; touch " + outside + "/new", "| touch " + outside + "/new", "& touch " + outside + "/new", "\"; DROP TABLE inode; --",
        "' OR '1'='1", "'; DELETE FROM inode; --", "1; ATTACH DATABASE '" + outside + "/new' AS x", "%2e%2e%2f", "%2e%2e/%2e%2e/x",
        "..%2f..%2fx", "..%252f..%252fx", "..%c0%afx", "%00", "a\0b", "\0", "a\nb", "a\r\nSet-Cookie: x=y", "\u001b[2J\u001b[H", "\t",
        " ", "", "\u202egpj.exe", "\ufeff", "\uff0e\uff0e/", "\u2024\u2024/x", "e\u0301", "\U0001F4A9", "\ud800", "CON", "NUL:",
        "x:$DATA", "-rf", "--help", "-", "*", "?", "[a-z]*", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://127.0.0.1/x}",
        "%s%s%s%n", "%x%x%x%x", "file://" + outside, "file:///etc", "s3://../x", "http://127.0.0.1:1/", "env:HOME", "file:/etc/passwd",
        "9223372036854775808", "-1", "0x7fffffff", "1e309", "NaN", "true", "null", "[]", "{}", ".datalayer-tmp", ".datalayer-tmp/x",
        ".datalayer", "tokens.json", new string('a', 256), new string('a', 5000), string.Concat(Enumerable.Repeat("../", 1500)),
        string.Concat(Enumerable.Repeat("a/", 2100)), new string('\u00e4', 200),
    ];
}

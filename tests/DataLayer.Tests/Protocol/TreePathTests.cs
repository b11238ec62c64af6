using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Protocol;

public sealed class TreePathTests
{
    [Theory]
    [InlineData("", "/")]
    [InlineData("/", "/")]
    [InlineData("/a", "/a")]
    [InlineData("/a/b.c/d-e_f~g", "/a/b.c/d-e_f~g")]
    [InlineData("/a%20b", "/a b")]
    [InlineData("/%C3%A4%E2%82%AC", "/ä€")]
    [InlineData("/%F0%9F%98%80", "/😀")]
    [InlineData("/%252e%252e", "/%2e%2e")]
    [InlineData("/..a/b../...", "/..a/b../...")]
    [InlineData("/%0A%7F", "/\n\u007f")]
    [InlineData("/a+b", "/a+b")]
    public void An_encoded_path_is_decoded_exactly_once(string encoded, string path) => Assert.Equal(path, TreePath.Decode(encoded));

    [Theory]
    [InlineData("/..", "'..'")]
    [InlineData("/a/../b", "'..'")]
    [InlineData("/a/..", "'..'")]
    [InlineData("/%2e%2e/etc/passwd", "'..'")]
    [InlineData("/%2E%2E", "'..'")]
    [InlineData("/.%2e/x", "'..'")]
    [InlineData("/.", "'.'")]
    [InlineData("/a/./b", "'.'")]
    [InlineData("//a", "empty component")]
    [InlineData("/a//b", "empty component")]
    [InlineData("/a/", "empty component")]
    [InlineData("/a%00b", "NUL")]
    [InlineData("/%2Fetc", "%2F")]
    [InlineData("/a%2fb", "%2F")]
    [InlineData("/%", "'%'")]
    [InlineData("/%4", "'%'")]
    [InlineData("/%zz", "'%'")]
    [InlineData("/a%", "'%'")]
    [InlineData("/%FF", "UTF-8")]
    [InlineData("/%C0%AF", "UTF-8")]
    [InlineData("/%C0%AE%C0%AE/etc", "UTF-8")]
    [InlineData("/%ED%A0%80", "UTF-8")]
    [InlineData("/%E2%82", "UTF-8")]
    [InlineData("/ä", "ASCII")]
    [InlineData("/a b", "ASCII")]
    [InlineData("a", "absolute")]
    public void An_attack_is_refused_and_the_value_is_named(string encoded, string reason)
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => TreePath.Decode(encoded));

        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_may_have_255_bytes_and_no_more()
    {
        Assert.Equal(256, TreePath.Decode("/" + new string('x', 255)).Length);
        Assert.Equal(ErrorCode.NameTooLong, Assert.Throws<DataLayerException>(() => TreePath.Decode("/" + new string('x', 256))).Code);
        string umlauts = "/" + string.Concat(Enumerable.Repeat("%C3%A4", 128));
        Assert.Equal(ErrorCode.NameTooLong, Assert.Throws<DataLayerException>(() => TreePath.Decode(umlauts)).Code);
    }

    [Fact]
    public void A_path_may_have_4096_bytes_and_no_more()
    {
        string longest = string.Concat(Enumerable.Repeat("/" + new string('y', 255), 16));
        Assert.Equal(4096, TreePath.Decode(longest).Length);
        Assert.Equal(ErrorCode.NameTooLong, Assert.Throws<DataLayerException>(() => TreePath.Decode(longest + "/z")).Code);
        Assert.Equal(
            ErrorCode.NameTooLong,
            Assert.Throws<DataLayerException>(() => TreePath.Decode(string.Concat(Enumerable.Repeat("/%41", 5000)))).Code);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    public void Plain_text_is_checked_as_well(string? path) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => TreePath.Check(path)).Code);

    [Fact]
    public void An_unpaired_surrogate_is_no_text()
    {
        string path = "/a/" + (char)0xD800 + "/b";

        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => TreePath.Check(path)).Code);
    }

    [Fact]
    public void Encoding_and_decoding_are_inverse_for_any_name()
    {
        const int Seed = 4711;
        Random random = new(Seed);
        for (int round = 0; round < 2000; round++)
        {
            StringBuilder path = new();
            for (int part = random.Next(1, 5); part > 0; part--)
            {
                path.Append('/');
                for (int length = random.Next(1, 20); length > 0; length--)
                {
                    Rune rune;
                    do
                    {
                        rune = Rune.TryCreate(random.Next(1, random.Next(2) == 0 ? 128 : 0x10FFFF), out Rune made) ? made : new Rune('x');
                    }
                    while (rune.Value is '/' or '.');
                    path.Append(rune);
                }
            }

            string text = path.ToString();
            Assert.True(text == TreePath.Decode(TreePath.Encode(text)), $"seed {Seed}, round {round}: '{text}'");
        }
    }

    [Fact]
    public void Encoding_leaves_plain_paths_alone_and_escapes_the_rest()
    {
        Assert.Equal("/a/b-c_d.e~f", TreePath.Encode("/a/b-c_d.e~f"));
        Assert.Equal("/a%20b%3F%23%25", TreePath.Encode("/a b?#%"));
        Assert.Equal("/%C3%A4", TreePath.Encode("/ä"));
    }

    [Fact]
    public void A_long_value_is_cut_in_the_message_and_control_characters_are_shown()
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => TreePath.Check("a\u0001" + new string('b', 500)));

        Assert.Contains("\\u0001", fault.Message, StringComparison.Ordinal);
        Assert.True(fault.Message.Length < 250, fault.Message);
    }

    [Fact]
    public void Combining_and_naming_treat_the_root_right()
    {
        Assert.Equal("/a", TreePath.Combine("/", "a"));
        Assert.Equal("/a/b", TreePath.Combine("/a", "b"));
        Assert.Equal("b", TreePath.NameOf("/a/b"));
        Assert.Equal("/", TreePath.NameOf("/"));
    }
}

using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Protocol;

public sealed class ErrorCodeTextTests
{
    public static TheoryData<ErrorCode> Codes() => new(Enum.GetValues<ErrorCode>());

    [Theory]
    [MemberData(nameof(Codes))]
    public void Every_code_survives_the_wire_and_has_a_remedy(ErrorCode code)
    {
        Assert.True(ErrorCodeText.TryParse(ErrorCodeText.ToText(code), out ErrorCode back));
        Assert.Equal(code, back);
        Assert.EndsWith(".", ErrorCodeText.Remedy(code), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void A_bare_status_stands_for_a_code_with_the_same_status(ErrorCode code)
    {
        int status = ErrorCodeMapping.ToHttpStatus(code);

        Assert.Equal(status, ErrorCodeMapping.ToHttpStatus(ErrorCodeText.FromHttpStatus(status)));
    }

    [Fact]
    public void A_text_from_a_newer_version_is_not_taken_for_a_known_code()
    {
        Assert.False(ErrorCodeText.TryParse("quantumFault", out _));
        Assert.False(ErrorCodeText.TryParse(null, out _));
    }

    [Fact]
    public void Commands_refuse_members_they_do_not_know()
    {
        const string Text = """{"path":"/a","recursiv":true}""";

        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(Text, ProtocolJson.Default.PathCommand));
    }

    [Fact]
    public void Enumerations_travel_as_words_and_numbers_are_refused()
    {
        string text = JsonSerializer.Serialize(
            new AttachCommand { Source = "file:///x", Path = "/x", Mode = AttachmentMode.ReadWrite }, ProtocolJson.Default.AttachCommand);

        Assert.Contains("\"mode\":\"readWrite\"", text, StringComparison.Ordinal);
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(
            """{"source":"file:///x","path":"/x","mode":2}""", ProtocolJson.Default.AttachCommand));
    }
}

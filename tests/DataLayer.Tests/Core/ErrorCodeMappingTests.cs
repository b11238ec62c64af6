using DataLayer.Core.Errors;

namespace DataLayer.Tests.Core;

public sealed class ErrorCodeMappingTests
{
    public static TheoryData<ErrorCode> Codes => [.. Enum.GetValues<ErrorCode>()];

    [Theory]
    [MemberData(nameof(Codes))]
    public void Every_code_has_an_errno_and_an_http_status(ErrorCode code)
    {
        Assert.InRange(ErrorCodeMapping.ToErrno(code), 1, 133);
        Assert.InRange(ErrorCodeMapping.ToHttpStatus(code), 400, 599);
    }

    [Theory]
    [InlineData(ErrorCode.NotFound, 2, 404)]
    [InlineData(ErrorCode.NoSpace, 28, 507)]
    [InlineData(ErrorCode.Corrupt, 5, 500)]
    [InlineData(ErrorCode.Stale, 116, 412)]
    [InlineData(ErrorCode.QuotaExceeded, 122, 507)]
    [InlineData(ErrorCode.NotSupported, 95, 501)]
    public void Codes_map_to_what_posix_and_http_callers_expect(ErrorCode code, int errno, int status)
    {
        Assert.Equal(errno, ErrorCodeMapping.ToErrno(code));
        Assert.Equal(status, ErrorCodeMapping.ToHttpStatus(code));
    }

    [Fact]
    public void An_exception_keeps_code_message_and_cause()
    {
        IOException cause = new("disk");
        DataLayerException fault = new(ErrorCode.TargetFailed, "Target 3 failed.", cause);
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        Assert.Same(cause, fault.InnerException);
    }
}

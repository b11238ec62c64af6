using System.Text.Json;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Http;

/// <summary>
/// How an <see cref="ErrorCode"/> is written on the wire (camel case, stable), and what a user can do about it.
/// </summary>
public static class ErrorCodeText
{
    private static readonly string[] _texts = MakeTexts();

    /// <summary>The code's text: <c>notFound</c>, <c>noSpace</c>, …</summary>
    public static string ToText(ErrorCode code) => (int)code < _texts.Length ? _texts[(int)code] : "internal";

    /// <summary>Reads a code's text; false for a text this version does not know.</summary>
    public static bool TryParse(string? text, out ErrorCode code)
    {
        int index = Array.IndexOf(_texts, text);
        code = index < 0 ? ErrorCode.Internal : (ErrorCode)index;
        return index >= 0;
    }

    /// <summary>
    /// The code a bare HTTP status stands for, where an answer (of a proxy, say) carries no problem document.
    /// </summary>
    public static ErrorCode FromHttpStatus(int status) =>
        status switch
        {
            400 or 405 or 411 or 415 or 416 or 431 => ErrorCode.InvalidArgument,
            401 => ErrorCode.NotAuthenticated,
            403 => ErrorCode.PermissionDenied,
            404 => ErrorCode.NotFound,
            408 or 504 => ErrorCode.TimedOut,
            409 => ErrorCode.AlreadyExists,
            412 => ErrorCode.Stale,
            413 => ErrorCode.FileTooLarge,
            429 or 503 => ErrorCode.Overloaded,
            501 => ErrorCode.NotSupported,
            502 => ErrorCode.OriginUnavailable,
            507 => ErrorCode.NoSpace,
            _ => ErrorCode.Internal,
        };

    /// <summary>One sentence: what to do about a fault of this kind.</summary>
    public static string Remedy(ErrorCode code) =>
        code switch
        {
            ErrorCode.NotFound =>
                "Check the name or number: 'datalayer ls' shows a folder, 'datalayer job list' and the other list "
                + "verbs the rest.",
            ErrorCode.AlreadyExists => "Choose another name, or remove what is there first.",
            ErrorCode.NotADirectory => "Give a folder's path.",
            ErrorCode.IsADirectory => "Give a file's path; list a folder with 'datalayer ls'.",
            ErrorCode.NotEmpty => "Remove what is inside first, or ask for a recursive removal.",
            ErrorCode.InvalidArgument =>
                "Correct the value that the detail names; docs/API.md lists what each call takes, "
                + "docs/CONFIGURATION.md every setting.",
            ErrorCode.NameTooLong => "Use names of at most 255 bytes and paths of at most 4,096 bytes.",
            ErrorCode.TooManyLinks => "Remove the loop of symbolic links on the path.",
            ErrorCode.PermissionDenied =>
                "Use a token whose role and scope allow this; where the object store refused, check its credentials "
                + "and their rights on the bucket.",
            ErrorCode.WrongState => "Look at its state; docs/API.md says which steps are possible from there.",
            ErrorCode.NotAuthenticated =>
                "Give a token: DATALAYER_TOKEN or DATALAYER_TOKEN_FILE for the program, 'Authorization: Bearer …' "
                + "over HTTP; 'datalayer token create' on the service's machine makes one.",
            ErrorCode.ReadOnly => "Attach the folder with mode readWrite if the tree may change the bucket.",
            ErrorCode.NoSpace =>
                "Free space: 'datalayer evict --hot', remove files, or add a target with 'datalayer target add'.",
            ErrorCode.QuotaExceeded => "Remove files or raise the quota.",
            ErrorCode.Stale => "The content changed: read it again and repeat with its new entity tag.",
            ErrorCode.Corrupt =>
                "No good copy is left: restore the object and run 'datalayer refresh', or run 'datalayer scrub'.",
            ErrorCode.TargetFailed =>
                "Look at 'datalayer target list' and the service's log; write the data again once the target works.",
            ErrorCode.OriginUnavailable => "Check that the object store's endpoint answers, then try again.",
            ErrorCode.Archived =>
                "Try again after the time in Retry-After, once its restore is done; engine.archiveReads says what "
                + "reads do.",
            ErrorCode.TimedOut => "Try again; if it stays slow, check the object store's endpoint and network.",
            ErrorCode.Overloaded => "Try again after the time in Retry-After, with fewer requests at once.",
            ErrorCode.CrossAttachment => "Copy the file to the other attachment and remove the original.",
            ErrorCode.NotSupported => "This is not supported; docs/API.md says what is.",
            ErrorCode.FileTooLarge => "Split the file.",
            ErrorCode.ShuttingDown => "Wait until the service is up again ('/readyz' answers 200), then try again.",
            _ => "This is a fault of the service: report it with the lines of its log around this time.",
        };

    private static string[] MakeTexts()
    {
        string[] names = Enum.GetNames<ErrorCode>();
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = JsonNamingPolicy.CamelCase.ConvertName(names[i]);
        }

        return names;
    }
}

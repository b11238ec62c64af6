using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects;

/// <summary>
/// A secret as it stands in a configuration: the text itself, or where it is (<c>env:NAME</c>, <c>file:/path</c>).
/// Messages name the place, never the secret.
/// </summary>
internal static class SecretReference
{
    /// <summary>The secret; null for null.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: the variable is not set, or the file cannot be read or is
    /// empty.</exception>
    internal static string? Resolve(string? text, string option)
    {
        if (text is null)
        {
            return null;
        }

        if (text.StartsWith("env:", StringComparison.Ordinal))
        {
            string name = text["env:".Length..];
            return Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
                ? value.Trim()
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"{option} is in the environment variable {name}, which is not set.");
        }

        if (!text.StartsWith("file:", StringComparison.Ordinal))
        {
            return text;
        }

        string path = text["file:".Length..];
        try
        {
            string value = File.ReadAllText(path).Trim();
            return value.Length > 0
                ? value
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"{option} is in the file '{path}', which is empty.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{option} is in the file '{path}', which cannot be read: {e.Message}", e);
        }
    }
}

using DataLayer.Core.Errors;

namespace DataLayer.Client;

/// <summary>The header value that says who calls, from an option or a file. Safe for concurrent use.</summary>
internal sealed class BearerToken(DataLayerClientOptions options)
{
    private volatile string? _value = options.Token is { } token ? "Bearer " + token : null;

    /// <summary>The header's value, or null where no token is given.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: the file cannot be read, or holds no token.</exception>
    public string? Value => options.TokenFile is null ? _value : _value ??= Read(options.TokenFile);

    /// <summary>Reads the file again after <paramref name="refused"/> was refused.</summary>
    /// <returns>Whether there is another token now.</returns>
    public bool TryRenew(string? refused)
    {
        if (options.TokenFile is not { } file)
        {
            return false;
        }

        string now = Read(file);
        _value = now;
        return now != refused;
    }

    private static string Read(string file)
    {
        try
        {
            string token = File.ReadAllText(file).Trim();
            return DataLayerClientOptions.IsToken(token)
                ? "Bearer " + token
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"'{file}' holds no token: write into it what 'datalayer token create' printed.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The token file '{file}' cannot be read: {e.Message}", e);
        }
    }
}

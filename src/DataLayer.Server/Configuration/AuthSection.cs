using DataLayer.Server.Access;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>auth</c>.</summary>
internal static class AuthSection
{
    /// <summary>The setting with the tokens' file.</summary>
    public const string TokenFileSetting = "auth.tokenFile";

    /// <summary>Reads the section, and the token file: what is wrong in it is wrong with the configuration.</summary>
    public static AuthConfiguration Read(SettingReader section, string stateDirectory)
    {
        string file = Path.GetFullPath(
            section.Text(
                "tokenFile", Path.Combine(stateDirectory, "tokens.json"),
                "The file with the tokens' hashes (mode 0600), which 'datalayer token' writes; read anew when it "
                + "changes.",
                "a path")!);
        bool loopback = section.Flag(
            "anonymousLoopback", true,
            "Processes of this machine need no token and may do everything. Turn it off where others can log in.");
        bool anywhere = section.Flag(
            "anonymousAnywhere", false, "Let everybody who reaches the address do everything, without a token.");
        section.Done();
        TokenFileContent content = TokenFile.Read(file);
        foreach (string problem in content.Problems)
        {
            section.Report("tokenFile", problem, "Correct the file, or restore it.");
        }

        return new AuthConfiguration
        {
            TokenFile = file,
            AnonymousLoopback = loopback,
            AnonymousAnywhere = anywhere,
            TokenCount = content.Tokens.Count,
        };
    }
}

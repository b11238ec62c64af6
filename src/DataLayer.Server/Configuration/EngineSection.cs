using DataLayer.Engine.Files;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>engine</c>.</summary>
internal static class EngineSection
{
    /// <summary>Reads the section.</summary>
    public static FileEngineOptions Read(SettingReader section)
    {
        FileEngineOptions engine = new()
        {
            Seed = section.Count(
                "seed", 1, 0, int.MaxValue, "Seed of every random choice, so that a run can be replayed."),
        };
        section.Done();
        return engine;
    }
}
